/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tool/repo.h"

#include <stdio.h>
#include <string.h>

#include "bundles/tool/tool.h"

typedef struct Verb {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} Verb;

static const Verb verbs[] = {
    {"init", "make a repository", repo_init},
    {"key", "make and show keys; say who signs for which role", repo_key},
    {"add", "put bundles into the repository", repo_add},
    {"remove", "take targets out of the repository", repo_remove},
    {"delegate", "let another role speak for some paths", repo_delegate},
    {"sign", "sign what was changed", repo_sign},
    {"publish", "make what was changed visible to nodes", repo_publish},
    {"renew", "sign again before something expires (for cron)", repo_renew},
    {"status", "what is published, what waits, when it expires", repo_status},
    {"prune", "remove what nodes do not ask for any more", repo_prune},
    {"export", "write metadata and bundles into one file for nodes without a network", repo_export},
};
enum { VERBS_COUNT = sizeof verbs / sizeof *verbs };

static int print_help(void) {
    (void)printf(
        "usage: psw-bundle repo VERB DIR [OPTION]... [ARGUMENT]...\n"
        "\n"
        "Makes and maintains a TUF repository in DIR: static files in DIR/public that any web server can\n"
        "serve, and that nodes can trust however hostile the server is.\n"
        "\n");
    for (size_t i = 0; i < VERBS_COUNT; i++) {
        (void)printf("  %-9s %s\n", verbs[i].name, verbs[i].summary);
    }
    return tool_help(
        "\n"
        "psw-bundle repo VERB --help explains a verb. A first repository:\n"
        "  psw-bundle repo init DIR\n"
        "  psw-bundle repo add DIR my.pswb\n"
        "  psw-bundle repo sign DIR --key DIR/keys/root.pem --key DIR/keys/targets.pem\n"
        "  psw-bundle repo publish DIR\n"
        "Then keep DIR/keys/root.pem and DIR/keys/targets.pem away from the machine, serve DIR/public,\n"
        "give nodes DIR/public/metadata/1.root.json, and run `psw-bundle repo renew DIR` every few hours.\n");
}

int tool_repo(int argc, char **argv) {
    if (argc < 2) {
        return tool_misuse("repo", "which verb?");
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        return print_help();
    }
    for (size_t i = 0; i < VERBS_COUNT; i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) {
            return verbs[i].run(argc - 1, argv + 1);
        }
    }
    return tool_misuse("repo", "there is no verb '%s'", argv[1]);
}
