/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tool/repo.h"

#include <fcntl.h>
#include <openssl/ui.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "tests/support/place.h"

enum { LONGEST = TUF_PASSPHRASE_MAX - 1, FILE_MAX = 16 * 1024, MARK = 0x5a };

/* So many letters, the text, and as many letters more as make a size (0: none). */
static void put_file(const Place *place, size_t letters, const char *text, size_t size) {
    static char content[FILE_MAX + 2];
    memset(content, 'p', sizeof content);
    memcpy(content + letters, text, strlen(text));
    content[size > 0 ? size : letters + strlen(text)] = '\0';
    place_put(place, "passphrase", content);
}

/* What is asked for has so many letters, or is refused. */
static void expect_answer(const RepoOptions *options, size_t letters, ErrorKind refused) {
    char buffer[TUF_PASSPHRASE_MAX + 1];
    Error err = ERROR_INIT;
    const TufPassphrase passphrase = repo_passphrase(options);
    memset(buffer, MARK, sizeof buffer);
    if (passphrase.ask(passphrase.context, "k", buffer, TUF_PASSPHRASE_MAX, &err)) {
        assert_int_equal(strlen(buffer), letters);
    }
    if (err.kind != refused) {
        fail_msg("%zu letters: %s", letters, err.text);
    }
    assert_int_equal(buffer[TUF_PASSPHRASE_MAX], MARK);
}

static void a_passphrase_file_has_one_of_so_many_bytes(void **state) {
    const Place *place = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/passphrase", place->path);
    const RepoOptions options = {.passphrase_file = path};
    for (int over = -1; over <= 1; over++) {
        const size_t letters = (size_t)(LONGEST + over);
        const ErrorKind refused = over <= 0 ? ERROR_NONE : ERROR_INPUT;
        put_file(place, letters, "", 0);
        expect_answer(&options, letters, refused);
        put_file(place, letters, "\r\n", 0);
        expect_answer(&options, letters, refused);
        put_file(place, letters, "\nmore", 0);
        expect_answer(&options, letters, refused);
        put_file(place, 5, "\n", (size_t)(FILE_MAX + over));
        expect_answer(&options, 5, over <= 0 ? ERROR_NONE : ERROR_LIMIT);
    }
    put_file(place, 0, "\n", 100);
    expect_answer(&options, 0, ERROR_INPUT);
}

/* Somebody at a terminal, who types so many letters. */
static size_t typed;

static int type_letters(UI *ui, UI_STRING *string) {
    static char letters[TUF_PASSPHRASE_MAX + 2];
    memset(letters, 'p', sizeof letters);
    letters[typed] = '\0';
    return UI_get_string_type(string) != UIT_PROMPT || UI_set_result(ui, string, letters) == 0;
}

static void at_a_terminal_so_many_bytes_are_taken(void **state) {
    (void)state;
    AUTO_CLOSE int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    AUTO_CLOSE int former = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    if (terminal < 0 || former < 0 || dup2(terminal, STDIN_FILENO) < 0) {
        skip();
    }
    UI_METHOD *method = UI_create_method("letters");
    (void)UI_method_set_reader(method, type_letters);
    UI_set_default_method(method);
    for (int over = -1; over <= 1; over++) {
        typed = (size_t)(LONGEST + over);
        expect_answer(&(RepoOptions){0}, typed, over <= 0 ? ERROR_NONE : ERROR_USAGE);
    }
    UI_set_default_method(NULL);
    UI_destroy_method(method);
    assert_int_equal(dup2(former, STDIN_FILENO), STDIN_FILENO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_passphrase_file_has_one_of_so_many_bytes, place_setup,
                                        place_teardown),
        cmocka_unit_test(at_a_terminal_so_many_bytes_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
