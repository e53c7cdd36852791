/* SPDX-License-Identifier: Apache-2.0
 *
 * explain CODE: what a code or a check means and what to do, without the manager.
 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/json.h"
#include "manager/checks/check.h"
#include "manager/ctl/codes.h"
#include "manager/ctl/ctl.h"

static json_t *code_json(const CodeSpace *space, const Code *code) {
    char number[16];
    (void)snprintf(number, sizeof number, space->is_decimal ? "%u" : "0x%04x", code->number);
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "kind", space->name, "code", number, "name", code->name,
                     "meaning", code->meaning, "remedy", code->remedy);
}

static json_t *check_json(const Check *check) {
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "kind", "check", "code", check->id, "name",
                     check->title, "meaning", check->protects, "remedy", check->remedy, "severity",
                     check_status_name(check->severity), "reference", check->reference);
}

static bool collect(const char *text, json_t *found) {
    const Check *check = check_find(text);
    if (check != NULL) {
        return json_array_append_new(found, check_json(check)) == 0;
    }
    for (size_t i = 0; i < code_spaces_count; i++) {
        for (size_t j = 0; j < code_spaces[i]->count; j++) {
            const Code *code = &code_spaces[i]->codes[j];
            if (code_is_named(code_spaces[i], code, text) &&
                json_array_append_new(found, code_json(code_spaces[i], code)) != 0) {
                return false;
            }
        }
    }
    return true;
}

static void print_one(const json_t *found) {
    bool is_check = strcmp(ctl_text(found, "kind"), "check") == 0;
    (void)printf("%s %s: %s\n", ctl_text(found, "kind"), ctl_text(found, "code"), ctl_text(found, "name"));
    if (is_check) {
        (void)printf("  protects from  %s\n  at worst       %s\n  reference      %s\n",
                     ctl_text(found, "meaning"), ctl_text(found, "severity"), ctl_text(found, "reference"));
    } else {
        (void)printf("  meaning        %s\n", ctl_text(found, "meaning"));
    }
    (void)printf("  what to do     %s\n", ctl_text(found, "remedy"));
}

bool ctl_explain_code(Ctl *ctl, Error *err) {
    CLEANUP(json_freep) json_t *found = json_array();
    size_t index = 0;
    const json_t *each = NULL;
    if (!collect(ctl->operand, found)) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (json_array_size(found) == 0) {
        return error_set(
            err, ERROR_NOT_FOUND,
            "'%.64s' is neither a code of AESM (0 to 51), of Intel's libraries (0xe018, SGX_QL_...), nor a "
            "check (driver.nodes): docs/checks.md lists the checks",
            ctl->operand);
    }
    if (ctl->json) {
        return ctl_print_json(found, err);
    }
    json_array_foreach(found, index, each) {
        print_one(each);
    }
    return true;
}
