/* SPDX-License-Identifier: Apache-2.0
 *
 * Subcommand clients: who still lives on a former QE.
 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "manager/ctl/ctl.h"

static const char *ago(long long since, char *buffer, size_t size) {
    int64_t now = clock_wall_s();
    return text_format_duration(buffer, size, since > 0 && since <= now ? (uint64_t)(now - since) * 1000 : 0);
}

static void place(const json_t *client, char *buffer, size_t size) {
    if (ctl_text(client, "container")[0] != '\0') {
        (void)snprintf(buffer, size, "%s %.12s", ctl_text(client, "runtime"), ctl_text(client, "container"));
    } else if (ctl_text(client, "unit")[0] != '\0') {
        (void)snprintf(buffer, size, "%s", ctl_text(client, "unit"));
    } else {
        (void)snprintf(buffer, size, "%s", ctl_text(client, "cgroup"));
    }
}

static void print_client(const json_t *client) {
    char where[160], first[24], last[24], pid[24] = "-";
    const uint64_t quotes = (uint64_t)ctl_number(client, "quotes");
    bool refused = ctl_text(client, "qe")[0] == '\0';
    place(client, where, sizeof where);
    if (ctl_number(client, "pid") != 0) {
        (void)snprintf(pid, sizeof pid, "%lld", ctl_number(client, "pid"));
    }
    (void)printf(
        "  pid %-7s uid %-6lld %-16s %-30s %lld %s, first %s ago, last %s ago\n", pid,
        ctl_number(client, "uid"), ctl_text(client, "command")[0] != '\0' ? ctl_text(client, "command") : "?",
        where, (long long)quotes,
        refused ? text_plural(quotes, "refusal", "refusals") : text_plural(quotes, "quote", "quotes"),
        ago(ctl_number(client, "first_seen"), first, sizeof first),
        ago(ctl_number(client, "last_seen"), last, sizeof last));
}

static void print_qe(const json_t *client) {
    char verdict[96];
    const json_t *svn = json_object_get(client, "qe_isv_svn");
    if (ctl_text(client, "qe")[0] == '\0') {
        (void)printf(
            "No QE here accepts the reports of these: restart them, unless they ask for target info anew\n");
    } else if (json_is_integer(svn)) {
        bool judged = ctl_format_tcb(json_object_get(client, "tcb"), verdict, sizeof verdict);
        (void)printf("QE %.16s ISVSVN %lld: its quotes %s%s, whatever serves\n", ctl_text(client, "qe"),
                     ctl_number(client, "qe_isv_svn"), judged ? "are " : "show the TCB of that ISVSVN",
                     judged ? verdict : "");
    } else {
        (void)printf("QE %.16s, which no generation has any more\n", ctl_text(client, "qe"));
    }
}

/* Those of one QE together, the QE whose client was seen last first. */
static void print_clients(const json_t *clients) {
    size_t index = 0, other = 0;
    const json_t *client = NULL, *same = NULL;
    json_array_foreach(clients, index, client) {
        bool first = true;
        for (size_t i = 0; i < index && first; i++) {
            first = strcmp(ctl_text(json_array_get(clients, i), "qe"), ctl_text(client, "qe")) != 0;
        }
        if (!first) {
            continue;
        }
        print_qe(client);
        json_array_foreach(clients, other, same) {
            if (strcmp(ctl_text(same, "qe"), ctl_text(client, "qe")) == 0) {
                print_client(same);
            }
        }
    }
}

bool ctl_clients(Ctl *ctl, Error *err) {
    CLEANUP(json_freep) json_t *answer = ctl_client_call(ctl->client, "GET", "/v1/clients", NULL, err);
    if (answer == NULL) {
        return false;
    }
    if (ctl->json) {
        return ctl_print_json(answer, err);
    }
    const json_t *clients = json_object_get(answer, "clients");
    if (ctl_text(answer, "qe")[0] != '\0') {
        (void)printf("serving     QE %.16s ISVSVN %lld\n", ctl_text(answer, "qe"),
                     ctl_number(answer, "qe_isv_svn"));
    }
    if (json_array_size(clients) == 0) {
        (void)printf("no process is known that holds target info of another QE\n");
    }
    print_clients(clients);
    return true;
}
