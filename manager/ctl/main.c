/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/text.h"
#include "manager/config.h"
#include "manager/ctl/ctl.h"

typedef struct Command {
    const char *name;
    const char *operand; /* what it wants, for people; NULL: nothing */
    const char *options; /* of its own */
    CtlCommandFn run;
    const char *summary;
    const char *help;
} Command;

static const Command commands[] = {
    {"status", NULL, NULL, ctl_status, "what serves, what is staged, what is wrong",
     "Shows the serving generation, the way back, lame ducks (they answer applications that still hold\n"
     "target info of a former QE), the operation under way, staged bundles, and problems with their "
     "remedy.\n"
     "Exit status 16: nothing serves although something should, or its last trial quote failed.\n"},
    {"clients", NULL, NULL, ctl_clients, "who still lives on a former quoting enclave",
     "Lists the processes that hold target info of a QE which does not serve any more, with their container "
     "or\n"
     "unit, how many quotes lame ducks made for them and when they were seen last. Their quotes show the\n"
     "former QE's ISVSVN until they are restarted.\n"},
    {"list", NULL, "[--remote]", ctl_list, "staged bundles, or what the repository has",
     "Lists the bundles in the node's store, newest version first. With --remote: those of the repository's\n"
     "channel as of the last look, each with why it is offered or not.\n"},
    {"check-update", NULL, "[--no-wait]", ctl_check_update, "look into the repository",
     "Refreshes the signed metadata and says which bundle of the channel this node is offered. Nothing is\n"
     "downloaded.\n"},
    {"update", NULL,
     "[--to VERSION] [--stage-only] [--soak TIME] [--allow-downgrade NAME] [--from FILE|DIRECTORY] "
     "[--no-wait]",
     ctl_update, "bring what the repository offers to this node",
     "Looks into the repository, downloads what is offered, verifies and stages it, and swaps to it. With\n"
     "--to, that version of the channel, which may be older than what serves; with --stage-only there is no\n"
     "swap. --from takes a repository in a DIRECTORY, or a FILE of psw-bundle repo export, instead of the\n"
     "configured one, for nodes without a network: it is verified in the same way.\n"},
    {"explain", "[CODE]", NULL, ctl_explain, "why nothing happens, or what a code means",
     "Says in one sentence how things stand with updates, and for every bundle of the channel why it is or\n"
     "is not offered to this node. With a CODE, without the manager: what a number of AESM (42), of Intel's\n"
     "libraries (0xe018, 0x4004, SGX_QL_OUT_OF_EPC) or a check (driver.nodes) means, and what to do.\n"},
    {"fetch", "URL", "--sha256 D [--stage] [--no-wait]", ctl_fetch, "download a bundle",
     "Downloads a bundle over https (or from a file: URL) and keeps it only if its SHA-256 is D. An\n"
     "interrupted download goes on where it stopped. With --stage it is verified and staged at once; else\n"
     "do that later with: pswctl stage D\n"},
    {"stage", "FILE|SHA256", "[--no-wait]", ctl_stage, "verify a bundle and put it into the store",
     "Sends FILE to the manager, which verifies every byte of it and puts it into the store. With the\n"
     "SHA-256 of something fetched before, stages that.\n"},
    {"test", "BUNDLE", "[--junit FILE] [--no-wait]", ctl_test, "try a staged bundle beside what serves",
     "Starts the bundle, lets it load its enclaves and make a trial quote, ends it, and runs all "
     "compatibility\n"
     "checks for it: one line a check. No client meets it. --junit also writes JUnit XML.\n"
     "BUNDLE is a version, NAME@VERSION, or at least 8 digits of the digest.\n"},
    {"diff", "BUNDLE", NULL, ctl_diff, "what a swap to a staged bundle would change",
     "Compares the serving bundle with BUNDLE: ISVSVNs, MRENCLAVEs, requirements, files, and what "
     "applications\n"
     "will notice. 'pswctl swap' shows the same before it begins.\n"},
    {"swap", "BUNDLE", "[--soak TIME] [--allow-downgrade NAME] [--no-wait]", ctl_swap,
     "make a staged bundle the serving one",
     "Starts the bundle beside the serving one; when its trial quote is good, new connections go to it\n"
     "and the former one finishes what it has. For the soak time it is watched: on failure the former one "
     "serves\n"
     "again by itself. TIME is such as 30s, 5m or 0 (commit at once); the default is swap.soak.\n"
     "BUNDLE is a version, NAME@VERSION, or at least 8 digits of the digest.\n"
     "An enclave whose ISVSVN is below that of the serving one is refused, unless its role (qe3, "
     "id_enclave,\n"
     "pce) or the bundle's name is given with --allow-downgrade, once for each. What served before is the "
     "way\n"
     "back and needs no name. The journal says so in any case.\n"},
    {"commit", NULL, NULL, ctl_commit, "end the soak of a swap with success", "Ends the soak at once.\n"},
    {"adopt", "BUNDLE", "[--soak TIME] [--no-wait]", ctl_adopt, "take over from a daemon that is not ours",
     "For the first start on a node where Intel's aesmd serves: a swap from that daemon to a staged bundle, "
     "on its\n"
     "own socket, without a failed request. It is stopped when it has no request in the works, is the way "
     "back\n"
     "during the soak, and is ended by the commit. Where systemd would start it again, mask its unit "
     "before:\n"
     "systemctl mask aesmd. The manager needs CAP_SYS_PTRACE and CAP_KILL for this.\n"
     "BUNDLE and TIME are as for pswctl swap.\n"},
    {"rollback", NULL, "[--soak TIME] [--no-wait]", ctl_rollback, "go back to what served before",
     "During a swap: undoes it. Else: swaps to the bundle that served before, at once where its generation\n"
     "still lives as a lame duck.\n"},
    {"remove", "BUNDLE", "[--no-wait]", ctl_remove, "remove a bundle from the store",
     "Removes a staged bundle; refused while it is needed.\n"},
    {"tcb", NULL, "[--no-wait]", ctl_tcb, "what relying parties make of this node, today and soon",
     "Fetches TCB info, QE identity and CRLs as collateral.urls says, for what counts today (standard) and "
     "for\n"
     "Intel's newest (early), verifies a trial quote with them, and says for the serving and the staged\n"
     "bundles what relying parties will see, and what is short: bundle, PCK certificate or microcode.\n"},
    {"verify", "QUOTE", "[--collateral FILE|DIRECTORY] [--root FILE] [--time TIME]", ctl_verify,
     "is this quote good, and how good is its platform",
     "Verifies a quote (a file of raw bytes, hex or base64; - is standard input) as a relying party does,\n"
     "without the manager and without a network. Collateral is a file as Phala's dcap-qvl has it, an answer\n"
     "of Intel's PCS, or a directory of such answers. The root is Intel's unless --root names the file of\n"
     "another; TIME is now unless given as 2026-11-21T03:45:00Z.\n"
     "Exit status 0: UpToDate; 1: genuine, with another TCB status; 4: quote or collateral malformed; 5: "
     "not\n"
     "verifiable, that is forged, revoked, expired or incomplete.\n"},
    {"doctor", NULL, "[--root DIR] [--junit FILE]", ctl_doctor, "is this node fit, and what to do first",
     "Looks at processor, driver, EPC, libraries, socket, provider and node, and shows what is not as it\n"
     "should be, with its remedy; --json has every check. Works without the manager. --root looks at "
     "another\n"
     "root: a mounted image, or a container's /proc/PID/root. --junit also writes JUnit XML. Exit status 5 "
     "if\n"
     "a check failed.\n"},
    {"journal", NULL, "[--count N]", ctl_journal, "what happened, and who asked for it",
     "Prints the last events (20, or N), oldest first.\n"},
};

static void print_usage(FILE *out) {
    (void)fputs("usage: pswctl COMMAND [OPTION...]\n\nTalks to psw-manager, which updates the SGX platform "
                "software of "
                "this node without a failed quote.\n\n",
                out);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        (void)fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].summary);
    }
    (void)fputs(
        "\nOptions of every command:\n"
        "  --json         JSON on standard output\n"
        "  --config FILE  the manager's configuration (default " CONFIG_PATH_DEFAULT ")\n"
        "  --api PATH     the manager's API socket, instead of --config\n"
        "  --help         what the command does\n"
        "  --version      the version\n\n"
        "Exit status: 0 success, 1 the answer is no (verify), else by kind: 2 usage, 3 config, 4 input,\n"
        "5 verify, 6 limit, 7 not found, 8 conflict, 9 permission, 10 no space, 11 system, 12 memory,\n"
        "13 network, 14 timeout, 15 the manager does not run, 16 engine.\n",
        out);
}

static void print_help(const Command *command) {
    (void)printf("usage: pswctl %s%s%s%s%s\n\n%s", command->name, command->operand ? " " : "",
                 command->operand ? command->operand : "", command->options ? " " : "",
                 command->options ? command->options : "", command->help);
}

static const Command *find(const char *name) {
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static const struct option options[] = {
    {"json", no_argument, NULL, 'j'},
    {"config", required_argument, NULL, 'c'},
    {"api", required_argument, NULL, 'a'},
    {"no-wait", no_argument, NULL, 'n'},
    {"stage", no_argument, NULL, 's'},
    {"sha256", required_argument, NULL, 'd'},
    {"soak", required_argument, NULL, 'k'},
    {"allow-downgrade", required_argument, NULL, 'D'},
    {"count", required_argument, NULL, 'N'},
    {"remote", no_argument, NULL, 'r'},
    {"stage-only", no_argument, NULL, 'o'},
    {"to", required_argument, NULL, 't'},
    {"from", required_argument, NULL, 'f'},
    {"help", no_argument, NULL, 'h'},
    {"root", required_argument, NULL, 'R'},
    {"junit", required_argument, NULL, 'J'},
    {"collateral", required_argument, NULL, 'C'},
    {"time", required_argument, NULL, 'T'},
    {"version", no_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

/* An option that is not the command's own is refused rather than ignored. */
static bool names(const char *synopsis, const char *dashed) {
    const char *at = strstr(synopsis, dashed);
    size_t length = strlen(dashed);
    while (at != NULL && at[length] != '\0' && strchr(" ]", at[length]) == NULL) {
        at = strstr(at + length, dashed);
    }
    return at != NULL;
}

static bool belongs(const Command *command, int option) {
    for (const struct option *at = options; at->name != NULL; at++) {
        if (at->val == option && strchr("jcahv", option) == NULL) {
            char dashed[32];
            (void)snprintf(dashed, sizeof dashed, "--%s", at->name);
            return command != NULL && command->options != NULL && names(command->options, dashed);
        }
    }
    return true;
}

typedef enum Parsed { PARSED_RUN, PARSED_HELP, PARSED_VERSION, PARSED_WRONG } Parsed;

/* Not known, without the argument that it takes, or with one that it does not take. */
static Parsed refuse_option(const Command *command, const char *argument) {
    (void)fprintf(stderr, "pswctl: %s%soption %s is not known or not used like this\n",
                  command != NULL ? command->name : "", command != NULL ? ": " : "", argument);
    return PARSED_WRONG;
}

/* Takes options up to the end, or up to the first operand if `form` begins with '+'. command: NULL before its
 * name was read. */
static Parsed take_options(const Command *command, const char *form, int argc, char **argv, Ctl *ctl) {
    int option = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, form, options, NULL)) != -1) {
        if (option == '?') {
            return refuse_option(command, argv[optind - 1]);
        }
        if (!belongs(command, option)) {
            (void)fprintf(stderr, "pswctl: %s does not take that option\n",
                          command != NULL ? command->name : "before a command, pswctl");
            return PARSED_WRONG;
        }
        switch (option) {
        case 'j':
            ctl->json = true;
            break;
        case 'c':
            ctl->config = optarg;
            break;
        case 'a':
            ctl->api = optarg;
            break;
        case 'n':
            ctl->no_wait = true;
            break;
        case 's':
            ctl->stage = true;
            break;
        case 'd':
            ctl->sha256 = optarg;
            break;
        case 'k':
            ctl->soak = optarg;
            break;
        case 'D':
            if (ctl->downgrades_count == CTL_DOWNGRADES_MAX) {
                (void)fprintf(stderr, "pswctl: at most %d --allow-downgrade\n", CTL_DOWNGRADES_MAX);
                return PARSED_WRONG;
            }
            ctl->downgrades[ctl->downgrades_count++] = optarg;
            break;
        case 'N':
            ctl->count = optarg;
            break;
        case 'r':
            ctl->remote = true;
            break;
        case 'o':
            ctl->stage_only = true;
            break;
        case 't':
            ctl->to = optarg;
            break;
        case 'f':
            ctl->from = optarg;
            break;
        case 'R':
            ctl->root = optarg;
            break;
        case 'J':
            ctl->junit = optarg;
            break;
        case 'C':
            ctl->collateral = optarg;
            break;
        case 'T':
            ctl->time = optarg;
            break;
        case 'v':
            return PARSED_VERSION;
        default:
            return PARSED_HELP;
        }
    }
    return PARSED_RUN;
}

static Parsed take_operand(const Command *command, int argc, char **argv, Ctl *ctl) {
    if (command->operand != NULL && optind < argc) {
        ctl->operand = argv[optind++];
    }
    if (optind < argc) {
        (void)fprintf(stderr, "pswctl: '%s' is one argument too many\n", argv[optind]);
        return PARSED_WRONG;
    }
    if (command->operand != NULL && ctl->operand == NULL && command->operand[0] != '[') {
        (void)fprintf(stderr, "pswctl: %s needs %s\n", command->name, command->operand);
        return PARSED_WRONG;
    }
    return PARSED_RUN;
}

/* Options of every command may stand before it or behind it. *ret_command: NULL if none was named. */
static Parsed parse(int argc, char **argv, Ctl *ctl, const Command **ret_command) {
    *ret_command = NULL;
    Parsed parsed = take_options(NULL, "+h", argc, argv, ctl);
    if (parsed != PARSED_RUN) {
        return parsed;
    }
    if (optind >= argc) {
        (void)fputs("pswctl: a command is missing\n", stderr);
        return PARSED_WRONG;
    }
    *ret_command = find(argv[optind]);
    if (*ret_command == NULL) {
        (void)fprintf(stderr, "pswctl: there is no command '%s'\n", argv[optind]);
        return PARSED_WRONG;
    }
    argc -= optind;
    argv += optind;
    optind = 0; /* GNU getopt: begin anew */
    parsed = take_options(*ret_command, "h", argc, argv, ctl);
    return parsed == PARSED_RUN ? take_operand(*ret_command, argc, argv, ctl) : parsed;
}

static char *find_api(const Ctl *ctl, Error *err) {
    char *path = NULL;
    if (ctl->api != NULL) {
        path = text_format("%s", ctl->api);
    } else if (ctl->config != NULL || access(CONFIG_PATH_DEFAULT, R_OK) == 0) {
        CLEANUP(config_freep)
        Config *config = config_load(ctl->config != NULL ? ctl->config : CONFIG_PATH_DEFAULT, err);
        if (config == NULL) {
            return NULL;
        }
        path = config_api_path(config->runtime);
    } else {
        path = config_api_path(CONFIG_RUNTIME_DEFAULT);
    }
    if (path == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
    }
    return path;
}

/* Commands that work without the manager. */
static const CtlCommandFn alone[] = {ctl_doctor, ctl_verify};

static bool run(const Command *command, Ctl *ctl, Error *err) {
    if (command->run == ctl_explain && ctl->operand != NULL) {
        return ctl_explain_code(ctl, err);
    }
    for (size_t i = 0; i < sizeof alone / sizeof alone[0]; i++) {
        if (command->run == alone[i]) {
            return command->run(ctl, err);
        }
    }
    AUTO_FREE char *api = find_api(ctl, err);
    if (api == NULL) {
        return false;
    }
    CLEANUP(ctl_client_closep) CtlClient *client = ctl_client_open(api, err);
    if (client == NULL) {
        return false;
    }
    ctl->client = client;
    return command->run(ctl, err);
}

static int wrong(const Command *command) {
    (void)fprintf(stderr, "Try 'pswctl %s%s--help'.\n", command != NULL ? command->name : "",
                  command != NULL ? " " : "");
    return error_kind_exit_status(ERROR_USAGE);
}

int main(int argc, char **argv) {
    Ctl ctl = {0};
    Error err = ERROR_INIT;
    const Command *command = NULL;
    switch (parse(argc, argv, &ctl, &command)) {
    case PARSED_WRONG:
        return wrong(command);
    case PARSED_VERSION:
        (void)puts("pswctl " PSW_VERSION);
        return 0;
    case PARSED_HELP:
        if (command != NULL) {
            print_help(command);
        } else {
            print_usage(stdout);
        }
        return 0;
    case PARSED_RUN:
        break;
    }
    if (!run(command, &ctl, &err)) {
        (void)fprintf(stderr, "pswctl: %s\n", err.text);
        return error_kind_exit_status(err.kind);
    }
    return ctl.answer;
}
