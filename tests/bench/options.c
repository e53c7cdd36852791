/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "bundles/base/text.h"

static const char help[] =
    "usage: aesm-load --socket PATH [OPTION]...\n"
    "Asks a quote daemon for quotes as many SGX applications would, each request on a connection of its "
    "own,\n"
    "checks every answer and says what failed and how long it took.\n"
    "\n"
    "  -s, --socket PATH         the daemon's AESM socket; '@' first for an abstract name\n"
    "  -p, --platform DIR        simulated platform that makes the reports; needed for quotes\n"
    "  -f, --flow FLOW           full (init, size, quote; default), quote, init, size or num\n"
    "  -t, --target WHICH        report made for target info that is fresh (default), cached (taken once "
    "and\n"
    "                            kept for ever) or mixed:PERCENT (that many of the clients cache)\n"
    "      --target-info FILE    the target info to cache, instead of asking for it at the start\n"
    "  -c, --clients N           how many ask at the same time (default 8)\n"
    "  -r, --rate N              requests a second in all, as an open loop; without it, flat out\n"
    "  -d, --duration TIME       how long, as 10s or 500ms (default 10s unless --requests is given)\n"
    "  -n, --requests N          how many requests; whichever of the two comes first ends the run\n"
    "      --timeout TIME        for connecting, sending and receiving (default 5s)\n"
    "      --verify HOW          none, structure (default: form, report and QE of every quote) or full[:N]\n"
    "                            (also all signatures of every Nth quote, default 100)\n"
    "      --expect-qe HEX       MRENCLAVE of a QE that may sign; repeatable; default: any\n"
    "      --retry-42            on AESM code 42 take new target info and ask again, as Gramine does\n"
    "      --timeline FILE       write latency and counts of every 100 ms as CSV\n"
    "      --json                print the result as JSON\n"
    "      --version, --help\n"
    "\n"
    "Exit status: 0 nothing failed, 1 some request failed or none was made, 2 wrong usage; others as "
    "psw-manager's.\n";

enum {
    OPTION_TARGET_INFO = 256,
    OPTION_TIMEOUT,
    OPTION_VERIFY,
    OPTION_EXPECT_QE,
    OPTION_RETRY_42,
    OPTION_TIMELINE,
    OPTION_JSON,
    OPTION_VERSION
};

static const struct option long_options[] = {
    {"socket", required_argument, NULL, 's'},
    {"platform", required_argument, NULL, 'p'},
    {"flow", required_argument, NULL, 'f'},
    {"target", required_argument, NULL, 't'},
    {"target-info", required_argument, NULL, OPTION_TARGET_INFO},
    {"clients", required_argument, NULL, 'c'},
    {"rate", required_argument, NULL, 'r'},
    {"duration", required_argument, NULL, 'd'},
    {"requests", required_argument, NULL, 'n'},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"verify", required_argument, NULL, OPTION_VERIFY},
    {"expect-qe", required_argument, NULL, OPTION_EXPECT_QE},
    {"retry-42", no_argument, NULL, OPTION_RETRY_42},
    {"timeline", required_argument, NULL, OPTION_TIMELINE},
    {"json", no_argument, NULL, OPTION_JSON},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const char *const flow_names[] = {
    [FLOW_FULL] = "full", [FLOW_QUOTE] = "quote", [FLOW_INIT] = "init",
    [FLOW_SIZE] = "size", [FLOW_NUM] = "num",
};

const char *options_help(void) {
    return help;
}

const char *options_flow_name(FlowKind flow) {
    return flow_names[flow];
}

const char *options_target_name(const Options *options, char *buffer, size_t size) {
    if (options->cached_percent == 0 || options->cached_percent == 100) {
        (void)snprintf(buffer, size, "%s", options->cached_percent == 0 ? "fresh" : "cached");
    } else {
        (void)snprintf(buffer, size, "mixed:%u", options->cached_percent);
    }
    return buffer;
}

static bool parse_flow(const char *text, FlowKind *ret_flow) {
    for (size_t i = 0; i < sizeof flow_names / sizeof flow_names[0]; i++) {
        if (strcmp(text, flow_names[i]) == 0) {
            *ret_flow = (FlowKind)i;
            return true;
        }
    }
    return false;
}

static bool parse_target(const char *text, uint32_t *ret_percent) {
    static const char mixed[] = "mixed:";
    if (strncmp(text, mixed, sizeof mixed - 1) == 0) {
        return text_parse_u32(text + sizeof mixed - 1, 0, 100, ret_percent);
    }
    bool cached = strcmp(text, "cached") == 0;
    if (!cached && strcmp(text, "fresh") != 0) {
        return false;
    }
    *ret_percent = cached ? 100 : 0;
    return true;
}

static bool parse_verify(const char *text, Options *options) {
    static const char full[] = "full:";
    options->verify = strcmp(text, "none") != 0;
    options->signatures_every = strcmp(text, "full") == 0 ? 100 : 0;
    if (strncmp(text, full, sizeof full - 1) == 0) {
        return text_parse_u32(text + sizeof full - 1, 1, UINT32_MAX, &options->signatures_every);
    }
    return !options->verify || options->signatures_every > 0 || strcmp(text, "structure") == 0;
}

static bool parse_expect_qe(const char *text, Options *options) {
    return options->expected_qes_count < CLIENT_QES_MAX &&
           text_parse_hex(text, options->expected_qes[options->expected_qes_count++], SGX_HASH_SIZE);
}

static bool parse_one(int option, const char *value, Options *options) {
    switch (option) {
    case 's':
        options->socket = value;
        return true;
    case 'p':
        options->platform = value;
        return true;
    case OPTION_TARGET_INFO:
        options->target_info_file = value;
        return true;
    case OPTION_TIMELINE:
        options->timeline = value;
        return true;
    case 'f':
        return parse_flow(value, &options->flow);
    case 't':
        return parse_target(value, &options->cached_percent);
    case 'c':
        return text_parse_u32(value, 1, OPTIONS_CLIENTS_MAX, &options->clients);
    case 'r':
        return text_parse_u32(value, 1, 10000000, &options->rate);
    case 'd':
        return text_parse_duration(value, &options->duration_ms);
    case 'n':
        return text_parse_u64(value, 1, UINT64_MAX / 2, &options->requests);
    case OPTION_TIMEOUT:
        return text_parse_duration(value, &options->timeout_ms) && options->timeout_ms > 0;
    case OPTION_VERIFY:
        return parse_verify(value, options);
    case OPTION_EXPECT_QE:
        return parse_expect_qe(value, options);
    case OPTION_RETRY_42:
        options->retry_42 = true;
        return true;
    case OPTION_JSON:
        options->json = true;
        return true;
    case OPTION_VERSION:
        options->version = true;
        return true;
    default:
        options->help = true;
        return true;
    }
}

static bool check(Options *options, Error *err) {
    bool quotes = options->flow == FLOW_FULL || options->flow == FLOW_QUOTE;
    if (options->help || options->version) {
        return true;
    }
    if (options->socket == NULL) {
        return error_set(err, ERROR_USAGE, "--socket is missing: say which daemon to ask");
    }
    if (quotes && options->platform == NULL) {
        return error_set(
            err, ERROR_USAGE,
            "--platform is missing: quotes need reports; without one use --flow init, size or num");
    }
    if (options->duration_ms == 0 && options->requests == 0) {
        options->duration_ms = 10000;
    }
    return true;
}

bool options_parse(int argc, char **argv, Options *ret_options, Error *err) {
    Options options = {.clients = 8, .timeout_ms = 5000, .verify = true};
    opterr = 0;
    for (;;) {
        int index = -1;
        int option = getopt_long(argc, argv, "s:p:f:t:c:r:d:n:h", long_options, &index);
        if (option == -1) {
            break;
        }
        if (option == '?') {
            return error_set(err, ERROR_USAGE, "'%s' is not an option or lacks its value: see --help",
                             argv[optind - 1]);
        }
        if (!parse_one(option, optarg, &options)) {
            return error_set(err, ERROR_USAGE, "'%s' is not a value for %s: see --help", optarg,
                             index < 0 ? argv[optind - 2] : long_options[index].name);
        }
    }
    if (optind < argc) {
        return error_set(err, ERROR_USAGE, "'%s' is too much: see --help", argv[optind]);
    }
    if (!check(&options, err)) {
        return false;
    }
    *ret_options = options;
    return true;
}
