/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/helper_child.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "bundles/base/json.h"
#include "bundles/store.h"
#include "manager/offer.h"
#include "tests/support/faults.h"
#include "tests/unit/bundles/fixture.h"

CLEANUP_DEFINE(Store, store_close)

/* A publisher with two states of his repository, and a node that has updated to the first. */
typedef struct Site {
    char path[64];
    int fd;
    int manager; /* the other end of HELPER_SOCKET */
} Site;

static void shell(const Site *site, const char *script) {
    char command[4096];
    (void)snprintf(
        command, sizeof command,
        "exec >%s/log 2>&1; set -e; cd %s; repo() { verb=$1; shift; \"$PSW_BIN/psw-bundle\" repo $verb "
        "repo \"$@\"; }; %s",
        site->path, site->path, script);
    if (system(command) != 0) { // NOLINT(cert-env33-c,concurrency-mt-unsafe): the programs are what is tested
        fail_msg("%s: see %s/log", script, site->path);
    }
}

/* In memory where the system has such a place: the sweep syncs thousands of times. */
static void make_place(Site *site) {
    (void)snprintf(site->path, sizeof site->path, "/dev/shm/psw-XXXXXX");
    if (mkdtemp(site->path) == NULL) {
        (void)snprintf(site->path, sizeof site->path, "/tmp/psw-XXXXXX");
        assert_non_null(mkdtemp(site->path));
    }
    int fd = open(site->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    site->fd = fcntl(fd, F_DUPFD_CLOEXEC, 10); /* out of HELPER_SOCKET's way */
    assert_true(site->fd >= 0);
    (void)close(fd);
}

static bool update(const Site *site, const char *repository, Error *err);

static int set_up(void **state) {
    static Site site;
    int pair[2];
    Place place = {0};
    Error err = ERROR_INIT;
    make_place(&site);
    (void)snprintf(place.path, sizeof place.path, "%s", site.path);
    place.fd = site.fd;
    fixture_put_files(&place);
    fixture_make(&place, FIXTURE_HEAD("1.1") FIXTURE_FILES, "1.1.pswb");
    fixture_make(&place, FIXTURE_HEAD("1.2") FIXTURE_FILES, "1.2.pswb");
    shell(&site, "repo init; publish() { repo add $1.pswb --as stable/$1.pswb; repo sign --key "
                 "repo/keys/root.pem --key repo/keys/targets.pem; repo publish; }; publish 1.1; cp -r "
                 "repo/public old; publish 1.2; cp -r repo/public new; mkdir trust downloads");
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    site.manager = fcntl(pair[0], F_DUPFD_CLOEXEC, 10);
    int own = fcntl(pair[1], F_DUPFD_CLOEXEC, 10);
    assert_true(dup2(own, HELPER_SOCKET) == HELPER_SOCKET);
    if (!update(&site, "old", &err)) {
        fail_msg("%s", err.text);
    }
    shell(&site, "mv trust trust-before; rm -rf store downloads");
    *state = &site;
    return 0;
}

static int tear_down(void **state) {
    Site *site = *state;
    char command[128];
    (void)close(site->fd);
    (void)snprintf(command, sizeof command, "rm -rf %s", site->path);
    return system(command); // NOLINT(cert-env33-c,concurrency-mt-unsafe)
}

/* The worker's task; `err` also says what it reports as a failure of the repository. */
static bool look(const Site *site, const char *repository, bool download, char ret_hex[DIGEST_HEX_SIZE],
                 Error *err) {
    ErrorKind kind = ERROR_VERIFY;
    char trust[96], downloads[96], root[96], from[96];
    (void)snprintf(trust, sizeof trust, "%s/trust", site->path);
    (void)snprintf(downloads, sizeof downloads, "%s/downloads", site->path);
    (void)snprintf(root, sizeof root, "%s/old/metadata/1.root.json", site->path);
    (void)snprintf(from, sizeof from, "%s/%s", site->path, repository);
    CLEANUP(json_freep) json_t *nothing = json_object();
    CLEANUP(json_freep)
    json_t *arguments =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:[], s:b, s:n, s:s}", "trust", trust, "root", root,
                  "downloads", downloads, "channel", "stable", "size_max", (json_int_t)1000000, "node",
                  offer_node_json(&(OfferNode){.failed = nothing, .unmet = nothing}), "staged", "download",
                  download, "want", "repository", from);
    CLEANUP(json_freep) json_t *result = NULL;
    if (!helper_task_update.run(arguments, NULL, &result, err)) {
        return false;
    }
    const json_t *failure = json_object_get(result, "failure");
    if (json_is_object(failure)) {
        (void)error_kind_parse(json_string_value(json_object_get(failure, "kind")), &kind);
        return error_set(err, kind, "%s", json_string_value(json_object_get(failure, "text")));
    }
    const char *file = json_string_value(json_object_get(result, "file"));
    (void)snprintf(ret_hex, DIGEST_HEX_SIZE, "%s", file != NULL ? file : "");
    return true;
}

/* As the manager does it: the worker, then the one that stages; then the file is not needed any more. */
static bool update(const Site *site, const char *repository, Error *err) {
    char hex[DIGEST_HEX_SIZE], name[DIGEST_HEX_SIZE + 32], path[96];
    Digest digest;
    bool is_new = false;
    if (!look(site, repository, true, hex, err)) {
        return false;
    }
    (void)snprintf(name, sizeof name, "downloads/%s.pswb", hex);
    (void)snprintf(path, sizeof path, "%s/store", site->path);
    AUTO_CLOSE int fd = file_open(site->fd, name, O_RDONLY, 0, err);
    CLEANUP(store_closep) Store *store = fd >= 0 ? store_open(path, true, err) : NULL;
    return store != NULL && store_stage(store, fd, "the bundle", &(StoreStaging){0}, &digest, &is_new, err) &&
           (unlinkat(site->fd, name, 0) == 0 || error_set_errno(err, errno, "%s", name));
}

static void prepare(void *context) {
    char message[256];
    const Site *site = context;
    while (recv(site->manager, message, sizeof message, MSG_DONTWAIT) > 0) {
    }
    shell(site, "rm -rf trust store downloads; cp -r trust-before trust; mkdir downloads");
}

/* The timestamp that the node trusts: whole, and the first or the second. */
static json_int_t trusted_version(const Site *site) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(100000);
    Error err = ERROR_INIT;
    if (!file_read(site->fd, "trust/timestamp.json", &text, &err)) {
        fail_msg("%s", err.text);
    }
    CLEANUP(json_freep) json_t *timestamp = json_parse(buffer_bytes(&text), "timestamp.json", &err);
    assert_non_null(timestamp);
    return json_integer_value(json_object_get(json_object_get(timestamp, "signed"), "version"));
}

static size_t count_staged(const Site *site) {
    char path[96];
    StoreList list = {0};
    Error err = ERROR_INIT;
    (void)snprintf(path, sizeof path, "%s/store", site->path);
    CLEANUP(store_closep) Store *store = store_open(path, false, &err);
    if (store == NULL) {
        return 0;
    }
    assert_true(store_list(store, &list, &err));
    assert_int_equal(list.damaged, 0);
    size_t count = list.count;
    store_list_done(&list);
    return count;
}

static void check(void *context, FaultOutcome outcome) {
    const Site *site = context;
    char hex[DIGEST_HEX_SIZE];
    Error err = ERROR_INIT;
    json_int_t version = trusted_version(site);
    assert_true(version == 1 || version == 2);
    if (outcome == FAULT_SUCCEEDED) {
        assert_int_equal(version, 2);
        assert_int_equal(count_staged(site), 1);
    }
    if (version == 2) { /* what was believed once is not forgotten for a mirror that lags */
        assert_false(look(site, "old", false, hex, &err));
        assert_non_null(strstr(err.text, "the copy is older"));
        assert_int_equal(trusted_version(site), 2);
        err = ERROR_INIT;
    }
    if (!update(site, "new", &err)) {
        fail_msg("the next update: %s", err.text);
    }
    assert_int_equal(trusted_version(site), 2);
    assert_int_equal(count_staged(site), 1);
}

static bool run(void *context, Error *err) {
    return update(context, "new", err);
}

static void an_update_that_fails_at_any_file_call_is_made_good_by_the_next(void **state) {
    static const char *const calls[] = {
        "openat", "open",      "syscall",   "read",     "write",     "pread",   "pwrite",
        "fsync",  "fdatasync", "ftruncate", "flock",    "fstat",     "fchmod",  "mkdirat",
        "rename", "renameat",  "renameat2", "unlinkat", "fdopendir", "readdir", NULL};
    faults_sweep_failures(
        &(FaultSweep){.context = *state, .calls = calls, .prepare = prepare, .run = run, .check = check});
}

/* Before every call that changes something: between two of them there is nothing to see. */
static void an_update_that_dies_between_any_two_changes_is_made_good_by_the_next(void **state) {
    static const char *const calls[] = {"write",  "pwrite",   "fsync",     "ftruncate", "fchmod", "mkdirat",
                                        "rename", "renameat", "renameat2", "unlinkat",  NULL};
    faults_sweep_crashes(
        &(FaultSweep){.context = *state, .calls = calls, .prepare = prepare, .run = run, .check = check});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_update_that_fails_at_any_file_call_is_made_good_by_the_next),
        cmocka_unit_test(an_update_that_dies_between_any_two_changes_is_made_good_by_the_next),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
