/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/sim/report.h"
#include "bundles/tool/output.h"
#include "bundles/tool/tool.h"
#include "quoted/wire/client.h"

enum { TIMEOUT_MS = 30000 };

CLEANUP_DEFINE(SimReporter, sim_reporter_close)

static const char help[] =
    "usage: psw-bundle sim-report --platform DIR (--socket PATH | --target-info FILE) -o FILE [OPTION]...\n"
    "\n"
    "Makes what an application enclave on the simulated platform in DIR gets from EREPORT: 432 bytes, made "
    "for\n"
    "the QE that the target info names, which that QE will turn into a quote.\n"
    "\n"
    "      --platform DIR      the platform (psw-bundle sim-platform)\n"
    "      --socket PATH       ask the quote daemon there for its QE's target info\n"
    "      --target-info FILE  or take it from this file of 512 bytes\n"
    "      --report-data HEX   128 hex digits to put into the report (default: zeros)\n"
    "  -o, --output FILE       where to write\n"
    "  -h, --help              this text\n";

typedef struct Order {
    const char *platform;
    const char *socket;
    const char *target_info;
    const char *output;
    uint8_t report_data[SGX_REPORT_DATA_SIZE];
} Order;

static bool read_target_info(const Order *order, SgxTargetInfo *ret_target_info, Error *err) {
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(SGX_TARGET_INFO_SIZE);
    if (!file_read(AT_FDCWD, order->target_info, &bytes, err)) {
        return false;
    }
    if (bytes.size != SGX_TARGET_INFO_SIZE) {
        return error_set(err, ERROR_INPUT, "%s: target info has %d bytes, this file %zu", order->target_info,
                         SGX_TARGET_INFO_SIZE, bytes.size);
    }
    memcpy(ret_target_info, bytes.data, sizeof *ret_target_info);
    return true;
}

static bool ask_target_info(const Order *order, SgxTargetInfo *ret_target_info, Error *err) {
    const AesmClient client = {.path = order->socket, .timeout_ms = TIMEOUT_MS};
    AesmCode code = 0;
    if (!aesm_client_init_quote(&client, &code, ret_target_info, NULL, err)) {
        return false;
    }
    return code == 0 || error_set(err, ERROR_ENGINE, "%s: the quote daemon refuses with %s (%u)",
                                  order->socket, aesm_code_name(code), code);
}

static bool make(const Order *order, Error *err) {
    SgxTargetInfo target_info = {0};
    SgxReport report;
    CLEANUP(sim_reporter_closep) SimReporter *reporter = sim_reporter_open(order->platform, err);
    if (reporter == NULL ||
        !(order->socket != NULL ? ask_target_info : read_target_info)(order, &target_info, err) ||
        !sim_reporter_make(reporter, &target_info, order->report_data, &report, err)) {
        return false;
    }
    CLEANUP(output_closep) Output *output = output_open(order->output, err);
    return output != NULL && file_write_fd(output_fd(output), order->output, &report, sizeof report, err) &&
           output_commit(output, err);
}

enum { OPTION_PLATFORM = 256, OPTION_SOCKET, OPTION_TARGET_INFO, OPTION_REPORT_DATA };

int tool_sim_report(int argc, char **argv) {
    static const struct option options[] = {{"platform", required_argument, NULL, OPTION_PLATFORM},
                                            {"socket", required_argument, NULL, OPTION_SOCKET},
                                            {"target-info", required_argument, NULL, OPTION_TARGET_INFO},
                                            {"report-data", required_argument, NULL, OPTION_REPORT_DATA},
                                            {"output", required_argument, NULL, 'o'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    Order order = {0};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":o:h", options, NULL)) != -1;) {
        switch (option) {
        case OPTION_PLATFORM:
            order.platform = optarg;
            break;
        case OPTION_SOCKET:
            order.socket = optarg;
            break;
        case OPTION_TARGET_INFO:
            order.target_info = optarg;
            break;
        case OPTION_REPORT_DATA:
            if (!text_parse_hex(optarg, order.report_data, sizeof order.report_data)) {
                return tool_misuse(argv[0], "--report-data is 128 hex digits");
            }
            break;
        case 'o':
            order.output = optarg;
            break;
        case 'h':
            return tool_help(help);
        default:
            return tool_misuse_option(argv, option);
        }
    }
    if (optind != argc || order.platform == NULL || order.output == NULL ||
        (order.socket == NULL) == (order.target_info == NULL)) {
        return tool_misuse(argv[0], "give --platform, -o, and one of --socket and --target-info");
    }
    Error err = ERROR_INIT;
    return make(&order, &err) ? tool_finish() : tool_fail(&err);
}
