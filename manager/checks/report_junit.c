/* SPDX-License-Identifier: Apache-2.0
 *
 * The report as JUnit XML, for continuous integration. Form: the schema of Jenkins' xUnit plug-in
 * (https://github.com/jenkinsci/xunit-plugin, junit-10.xsd).
 */
#include <string.h>

#include "manager/checks/report.h"

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static bool put(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        const char *escape = *text == '&'   ? "&amp;"
                             : *text == '<' ? "&lt;"
                             : *text == '>' ? "&gt;"
                             : *text == '"' ? "&quot;"
                                            : NULL;
        if (escape != NULL ? fputs(escape, out) < 0 : putc(*text, out) == EOF) {
            return false;
        }
    }
    return true;
}

static bool put_case(const json_t *check, FILE *out) {
    const char *status = text_of(check, "status"), *id = text_of(check, "id");
    bool failed = strcmp(status, "fail") == 0, skipped = strcmp(status, "skip") == 0;
    const char *element = failed ? "failure" : skipped ? "skipped" : NULL;
    bool good = fprintf(out, "  <testcase classname=\"psw.%.*s\" name=\"", (int)strcspn(id, "."), id) > 0 &&
                put(out, id) && fputs("\" time=\"0\">\n    ", out) >= 0;
    if (element != NULL) {
        return good && fprintf(out, "<%s message=\"", element) > 0 && put(out, text_of(check, "text")) &&
               fputs("\">", out) >= 0 && put(out, text_of(check, "remedy")) &&
               fprintf(out, "</%s>\n  </testcase>\n", element) > 0;
    }
    return good && fprintf(out, "<system-out>%s: ", status) > 0 && put(out, text_of(check, "text")) &&
           fputs("</system-out>\n  </testcase>\n", out) >= 0;
}

bool report_write_junit(const json_t *report, FILE *out) {
    const json_t *checks = json_object_get(report, "checks"), *counts = json_object_get(report, "counts");
    size_t index = 0;
    const json_t *check = NULL;
    bool good = fprintf(out,
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                        "<testsuite name=\"psw-manager\" tests=\"%zu\" failures=\"%lld\" errors=\"0\" "
                        "skipped=\"%lld\" time=\"%.3f\">\n",
                        json_array_size(checks), json_integer_value(json_object_get(counts, "fail")),
                        json_integer_value(json_object_get(counts, "skip")),
                        json_number_value(json_object_get(report, "milliseconds")) / 1000.0) > 0;
    json_array_foreach(checks, index, check) {
        good = good && put_case(check, out);
    }
    return good && fputs("</testsuite>\n", out) >= 0;
}
