/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/tcb_info.h"

#include <string.h>

#include "bundles/base/json.h"
#include "bundles/base/text.h"

enum { VERSION_FLAT_SVNS = 2, VERSION_COMPONENTS = 3, LABEL_MAX = 64 };

static bool components_parse(const json_t *tcb, TcbLevel *level, Error *err) {
    const json_t *list = json_object_get(tcb, "sgxtcbcomponents"), *component = NULL;
    size_t at = 0;
    if (json_array_size(list) != PCK_COMPONENTS_COUNT) {
        return error_set(err, ERROR_INPUT, "sgxtcbcomponents is not a list of %d", PCK_COMPONENTS_COUNT);
    }
    json_array_foreach(list, at, component) {
        uint32_t svn = 0;
        if (!tcb_number_parse(component, "svn", UINT8_MAX, &svn, err)) {
            return error_wrap(err, "component %zu", at + 1);
        }
        level->tcb.components[at] = (uint8_t)svn;
    }
    level->components = list;
    return true;
}

static bool flat_svns_parse(const json_t *tcb, TcbLevel *level, Error *err) {
    for (unsigned at = 0; at < PCK_COMPONENTS_COUNT; at++) {
        char key[] = "sgxtcbcomp00svn";
        uint32_t svn = 0;
        key[sizeof "sgxtcbcomp" - 1] = (char)('0' + (at + 1) / 10);
        key[sizeof "sgxtcbcomp"] = (char)('0' + (at + 1) % 10);
        if (!tcb_number_parse(tcb, key, UINT8_MAX, &svn, err)) {
            return false;
        }
        level->tcb.components[at] = (uint8_t)svn;
    }
    return true;
}

static bool level_parse(const json_t *json, uint32_t version, TcbLevel *level, Error *err) {
    const json_t *tcb = json_object_get(json, "tcb");
    uint32_t pce_svn = 0;
    bool good =
        version == VERSION_COMPONENTS ? components_parse(tcb, level, err) : flat_svns_parse(tcb, level, err);
    if (!good || !tcb_number_parse(tcb, "pcesvn", UINT16_MAX, &pce_svn, err)) {
        return false;
    }
    level->tcb.pce_svn = (uint16_t)pce_svn;
    return tcb_grade_parse(json, &level->grade, err);
}

static int compare_descending(const void *left, const void *right) {
    const PckTcb *a = &((const TcbLevel *)left)->tcb, *b = &((const TcbLevel *)right)->tcb;
    int order = memcmp(b->components, a->components, sizeof a->components);
    return order != 0 ? order : (int)b->pce_svn - (int)a->pce_svn;
}

static bool levels_parse(TcbInfo *info, uint32_t version, Error *err) {
    const json_t *list = json_object_get(info->json, "tcbLevels"), *level = NULL;
    size_t count = json_array_size(list), at = 0;
    if (count == 0 || count > TCB_LEVELS_MAX) {
        return error_set(err, ERROR_INPUT, "tcbLevels is not a list of 1 to %d levels", TCB_LEVELS_MAX);
    }
    info->levels = calloc(count, sizeof *info->levels);
    if (info->levels == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    json_array_foreach(list, at, level) {
        if (!level_parse(level, version, &info->levels[at], err)) {
            return error_wrap(err, "level %zu", at + 1);
        }
    }
    info->levels_count = count;
    qsort(info->levels, count, sizeof *info->levels, compare_descending);
    return true;
}

static bool info_parse(TcbInfo *info, Error *err) {
    uint32_t version = 0, tcb_type = 0;
    if (!tcb_number_parse(info->json, "version", UINT32_MAX, &version, err)) {
        return false;
    }
    if (version != VERSION_FLAT_SVNS && version != VERSION_COMPONENTS) {
        return error_set(err, ERROR_INPUT, "version %u: only 2 and 3 are known", version);
    }
    bool numbered = json_object_get(info->json, "tcbEvaluationDataNumber") != NULL;
    const char *id = "SGX";
    if ((version == VERSION_COMPONENTS && !json_get_text(info->json, "id", &id, err)) ||
        !tcb_number_parse(info->json, "tcbType", UINT32_MAX, &tcb_type, err) ||
        !tcb_date_parse(info->json, "issueDate", &info->issue_date, err) ||
        !tcb_date_parse(info->json, "nextUpdate", &info->next_update, err) ||
        !tcb_hex_parse(info->json, "fmspc", info->fmspc, sizeof info->fmspc, err) ||
        !tcb_hex_parse(info->json, "pceId", info->pce_id, sizeof info->pce_id, err) ||
        ((numbered || version == VERSION_COMPONENTS) &&
         !tcb_number_parse(info->json, "tcbEvaluationDataNumber", UINT32_MAX, &info->evaluation_number,
                           err))) {
        return false;
    }
    if (strcmp(id, "SGX") != 0 || tcb_type != 0) {
        return error_set(err, ERROR_INPUT, "id and tcbType are not those of SGX platforms (\"SGX\", 0)");
    }
    return levels_parse(info, version, err);
}

TcbInfo *tcb_info_new(json_t *object, Error *err) {
    CLEANUP(tcb_info_freep) TcbInfo *info = calloc(1, sizeof *info);
    if (info == NULL) {
        error_set(err, ERROR_MEMORY, "TCB info: out of memory");
        return NULL;
    }
    info->json = json_incref(object);
    if (!info_parse(info, err)) {
        error_wrap(err, "TCB info");
        return NULL;
    }
    return TAKE(info);
}

void tcb_info_free(TcbInfo *info) {
    if (info == NULL) {
        return;
    }
    json_decref(info->json);
    free(info->levels);
    free(info);
}

static bool reaches(const PckTcb *tcb, const PckTcb *level) {
    for (size_t at = 0; at < PCK_COMPONENTS_COUNT; at++) {
        if (tcb->components[at] < level->components[at]) {
            return false;
        }
    }
    return tcb->pce_svn >= level->pce_svn;
}

const TcbLevel *tcb_info_match(const TcbInfo *info, const PckTcb *tcb) {
    for (size_t at = 0; at < info->levels_count; at++) {
        if (reaches(tcb, &info->levels[at].tcb)) {
            return &info->levels[at];
        }
    }
    return NULL;
}

const TcbLevel *tcb_info_wanted(const TcbInfo *info) {
    const TcbLevel *wanted = NULL;
    for (size_t at = 0; at < info->levels_count; at++) {
        if (tcb_status_is_current(info->levels[at].grade.status)) {
            wanted = &info->levels[at];
        }
    }
    return wanted;
}

const char *tcb_level_component_name(const TcbLevel *level, size_t at, char *buffer, size_t size) {
    const json_t *component = json_array_get(level->components, at);
    const char *category = json_string_value(json_object_get(component, "category"));
    const char *type = json_string_value(json_object_get(component, "type"));
    bool has_category = category != NULL && text_is_printable(category, LABEL_MAX);
    bool has_type = type != NULL && text_is_printable(type, LABEL_MAX);
    (void)snprintf(buffer, size, "%s%s%s", has_category ? category : "", has_category && has_type ? ", " : "",
                   has_type ? type : "");
    return buffer;
}
