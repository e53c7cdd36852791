/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/text.h"
#include "manager/config.h"
#include "manager/ctl/commands.h"

static void print_usage(FILE *out) {
    (void)fputs("usage: pswctl COMMAND [OPTION...]\n\nTalks to psw-manager, which updates the SGX platform "
                "software of "
                "this node without a failed quote.\n\n",
                out);
    for (size_t i = 0; i < commands_count; i++) {
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
    for (size_t i = 0; i < commands_count; i++) {
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

static Parsed take_option(int option, Ctl *ctl) {
    const struct {
        int option;
        const char **text;
    } texts[] = {{'c', &ctl->config}, {'a', &ctl->api},        {'d', &ctl->sha256}, {'k', &ctl->soak},
                 {'N', &ctl->count},  {'t', &ctl->to},         {'f', &ctl->from},   {'R', &ctl->root},
                 {'J', &ctl->junit},  {'C', &ctl->collateral}, {'T', &ctl->time}};
    const struct {
        int option;
        bool *flag;
    } flags[] = {{'j', &ctl->json},
                 {'n', &ctl->no_wait},
                 {'s', &ctl->stage},
                 {'r', &ctl->remote},
                 {'o', &ctl->stage_only}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].option == option) {
            *texts[i].text = optarg;
            return PARSED_RUN;
        }
    }
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (flags[i].option == option) {
            *flags[i].flag = true;
            return PARSED_RUN;
        }
    }
    if (option != 'D') {
        return option == 'v' ? PARSED_VERSION : PARSED_HELP;
    }
    if (ctl->downgrades_count == CTL_DOWNGRADES_MAX) {
        (void)fprintf(stderr, "pswctl: at most %d --allow-downgrade\n", CTL_DOWNGRADES_MAX);
        return PARSED_WRONG;
    }
    ctl->downgrades[ctl->downgrades_count++] = optarg;
    return PARSED_RUN;
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
        Parsed parsed = take_option(option, ctl);
        if (parsed != PARSED_RUN) {
            return parsed;
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
        (void)fflush(stdout); /* where both go to one pipe, in their order */
        (void)fprintf(stderr, "pswctl: %s\n", err.text);
        return error_kind_exit_status(err.kind);
    }
    return ctl.answer;
}
