/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/engine_process.h"

#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "quoted/gentle.h"
#include "quoted/relay.h"
#include "quoted/trial.h"

static void engine_process_facts_write(const EngineFacts *facts, uint8_t payload[ENGINE_PROCESS_FACTS_SIZE]) {
    memcpy(payload, &facts->target_info, SGX_TARGET_INFO_SIZE);
    memcpy(payload + SGX_TARGET_INFO_SIZE, facts->pub_key_id, ENGINE_PUB_KEY_ID_SIZE);
    bytes_put_le32(payload + SGX_TARGET_INFO_SIZE + ENGINE_PUB_KEY_ID_SIZE, facts->quote_size);
}

bool engine_process_facts_read(Bytes payload, EngineFacts *ret_facts) {
    Bytes target_info, pub_key_id;
    uint32_t quote_size = 0;
    if (!bytes_take(&payload, SGX_TARGET_INFO_SIZE, &target_info) ||
        !bytes_take(&payload, ENGINE_PUB_KEY_ID_SIZE, &pub_key_id) ||
        !bytes_take_le32(&payload, &quote_size) || payload.size != 0) {
        return false;
    }
    *ret_facts = (EngineFacts){.quote_size = quote_size};
    memcpy(&ret_facts->target_info, target_info.data, target_info.size);
    memcpy(ret_facts->pub_key_id, pub_key_id.data, pub_key_id.size);
    return true;
}

/* A quote for one message, or the code why there is none. False: malformed, or nobody listens. */
static bool answer(Engine *engine, int socket, const ControlMessage *message, Buffer *reply) {
    const SgxReport *report = NULL;
    const SgxQeReportInfo *asked_info = NULL;
    SgxQeReportInfo info;
    uint32_t size = 0;
    EngineFacts facts;
    if (message->header.type != CONTROL_QUOTE ||
        !relay_question_read(buffer_bytes(&message->payload), &report, &asked_info, &size)) {
        return false;
    }
    engine_facts(engine, &facts);
    Quote3Error code = QUOTE3_ERROR_INVALID_PARAMETER;
    AUTO_FREE uint8_t *quote = malloc((size_t)facts.quote_size + ENGINE_GUARD_SIZE);
    if (quote != NULL && size == facts.quote_size) {
        if (asked_info != NULL) {
            info = *asked_info;
        }
        code = engine_quote(engine, report, asked_info != NULL ? &info : NULL, quote, size);
    }
    return relay_answer_write(reply, code, quote, size, asked_info != NULL ? &info : NULL) &&
           control_message_send(socket, CONTROL_QUOTE, message->header.request, 0, reply->data, reply->size,
                                -1, NULL);
}

static void serve(Engine *engine, int socket) {
    CLEANUP(control_message_done) ControlMessage message = CONTROL_MESSAGE_INIT;
    CLEANUP(buffer_done) Buffer reply = BUFFER_INIT(CONTROL_PAYLOAD_MAX);
    ControlReceived received = CONTROL_RECEIVED_NOTHING;
    while (control_message_receive(socket, &message, &received, NULL) && received != CONTROL_RECEIVED_END) {
        if (received == CONTROL_RECEIVED && !answer(engine, socket, &message, &reply)) {
            return;
        }
    }
}

typedef struct WarmUp {
    const NurserySpec *spec;
    Engine *engine; /* NULL: not warm */
    Error failure;
} WarmUp;

static void warm_up_run(void *context) {
    WarmUp *warm_up = context;
    const NurserySpec *spec = warm_up->spec;
    Error *err = &warm_up->failure;
    Trial trial;
    const EngineSpec engine_spec = {
        .directory = spec->bundle, .manifest = spec->manifest, .host_provider = spec->config->host_provider};
    Engine *engine = engine_open(&engine_spec, err);
    warm_up->engine =
        engine != NULL && engine_init(engine, err) && trial_take(engine, &trial, err) ? engine : NULL;
}

static Engine *warm_up(const NurserySpec *spec, Error *err) {
    Gentle gentle = GENTLE_INIT;
    WarmUp warm_up = {.spec = spec, .failure = ERROR_INIT};
    if (!gentle_start(&gentle, warm_up_run, &warm_up, err)) {
        return NULL;
    }
    gentle_join(&gentle);
    *err = warm_up.failure;
    return warm_up.engine;
}

static bool announce(Engine *engine, int socket, Error *err) {
    uint8_t payload[ENGINE_PROCESS_FACTS_SIZE];
    EngineFacts facts;
    engine_facts(engine, &facts);
    engine_process_facts_write(&facts, payload);
    return control_message_send(socket, CONTROL_EVENT_READY, 0, 0, payload, sizeof payload, -1, err);
}

bool engine_process_run(const NurserySpec *spec, int socket, Error *err) {
    Engine *engine = warm_up(spec, err);
    if (engine == NULL) {
        control_message_send_failed(socket, err);
        return false;
    }
    if (!announce(engine, socket, err)) {
        return false;
    }
    serve(engine, socket);
    return true;
}
