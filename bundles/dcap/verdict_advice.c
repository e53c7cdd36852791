/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator can do about a grade.
 */
#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/dcap/verdict.h"

enum { ADVICE_MAX = 2048, COMPONENT_NAME_SIZE = 160 };

static bool say(json_t *advice, const char *text) {
    return json_array_append_new(advice, json_string(text)) == 0;
}

/* "component 1 (BIOS, Early Microcode Update) 7 < 14" for all that are short. */
static bool list_short_components(const TcbLevel *wanted, const PckTcb *tcb, Buffer *text) {
    for (size_t at = 0; at < PCK_COMPONENTS_COUNT; at++) {
        if (tcb->components[at] < wanted->tcb.components[at]) {
            char name[COMPONENT_NAME_SIZE];
            (void)tcb_level_component_name(wanted, at, name, sizeof name);
            if (!buffer_append_format(text, "%scomponent %zu%s%s%s is %u, needed %u",
                                      text->size > 0 ? ", " : "", at + 1, name[0] == '\0' ? "" : " (", name,
                                      name[0] == '\0' ? "" : ")", tcb->components[at],
                                      wanted->tcb.components[at])) {
                return false;
            }
        }
    }
    return true;
}

static bool advise_shortage(const TcbInfo *info, const Pck *pck, json_t *advice) {
    const TcbLevel *wanted = info == NULL ? NULL : tcb_info_wanted(info);
    CLEANUP(buffer_done) Buffer components = BUFFER_INIT(ADVICE_MAX), text = BUFFER_INIT(ADVICE_MAX);
    if (wanted == NULL) {
        return say(advice, "no TCB level of this kind of platform is up to date: see the advisories");
    }
    if (!list_short_components(wanted, &pck->tcb, &components)) {
        return false;
    }
    if (components.size > 0) {
        if (!buffer_append_format(&text,
                                  "update microcode and BIOS, restart, and let the node get a new PCK "
                                  "certificate: %s",
                                  buffer_text(&components)) ||
            !say(advice, buffer_text(&text))) {
            return false;
        }
    }
    if (pck->tcb.pce_svn < wanted->tcb.pce_svn) {
        buffer_clear(&text);
        return buffer_append_format(
                   &text,
                   "the PCK certificate is for PCESVN %u, needed %u: install a PCE of at least "
                   "ISVSVN %u and let the node get a new PCK certificate",
                   pck->tcb.pce_svn, wanted->tcb.pce_svn, wanted->tcb.pce_svn) &&
               say(advice, buffer_text(&text));
    }
    return true;
}

static bool is_configuration_needed(TcbStatus status) {
    return status == TCB_CONFIGURATION_NEEDED || status == TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED ||
           status == TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

bool verdict_advise_platform(const TcbInfo *info, const Pck *pck, TcbStatus status, json_t *advice) {
    if (status == TCB_UNKNOWN || status == TCB_UP_TO_DATE) {
        return true;
    }
    if (!tcb_status_is_current(status) && !advise_shortage(info, pck, advice)) {
        return false;
    }
    if (is_configuration_needed(status) &&
        !say(advice,
             "the platform's configuration matters (BIOS settings such as hyper-threading): set it as "
             "the advisories say")) {
        return false;
    }
    if (status == TCB_SW_HARDENING_NEEDED || status == TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED) {
        return say(advice,
                   "no update is needed here: whether the applications are built with the mitigations "
                   "of the advisories is for relying parties to decide");
    }
    return true;
}

bool verdict_advise_qe(const QeIdentity *identity, uint16_t isv_svn, TcbStatus status, json_t *advice) {
    const QeLevel *wanted = identity == NULL ? NULL : qe_identity_wanted(identity);
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(ADVICE_MAX);
    if (status == TCB_UNKNOWN || status == TCB_UP_TO_DATE || wanted == NULL) {
        return true;
    }
    return buffer_append_format(
               &text, "the QE has ISVSVN %u, needed %u: swap to a bundle with a newer QE (pswctl update)",
               isv_svn, wanted->isv_svn) &&
           say(advice, buffer_text(&text));
}
