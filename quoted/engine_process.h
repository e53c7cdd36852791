/* SPDX-License-Identifier: Apache-2.0
 *
 * EngineProcess: a process that is one further engine of a generation (quoted/engines.h), and nothing else.
 *
 * On its socket, a SOCK_SEQPACKET one, it says CONTROL_EVENT_READY when its engine is warm (payload: target
 * info, key id, u32 quote size) or CONTROL_EVENT_FAILED (JSON, as a generation does), and then answers one
 * CONTROL_QUOTE after the other. It ends when the other side is closed.
 */
#ifndef QUOTED_ENGINE_PROCESS_H
#define QUOTED_ENGINE_PROCESS_H

#include "quoted/engine.h"
#include "quoted/nursery.h"

enum { ENGINE_PROCESS_FACTS_SIZE = SGX_TARGET_INFO_SIZE + ENGINE_PUB_KEY_ID_SIZE + 4 };

/* Runs until the end; false if the engine does not start. */
bool engine_process_run(const NurserySpec *spec, int socket, Error *err) __attribute__((warn_unused_result));

/* From the payload of its READY. */
bool engine_process_facts_read(Bytes payload, EngineFacts *ret_facts) __attribute__((warn_unused_result));

#endif
