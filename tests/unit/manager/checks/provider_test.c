/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "manager/checks/provider_config.h"
#include "tests/support/scene.h"

#define CONF "etc/sgx_default_qcnl.conf"
#define GONE(path_)                                                                                          \
    { .path = (path_), .kind = PROP_GONE }
#define TEXT(text_)                                                                                          \
    { .path = CONF, .kind = PROP_FILE, .text = (text_) }
#define URL "https://pccs.example:8081/sgx/certification/v4/"

static const Prop base[] = {
    TEXT("{\n  // our own\n  \"pccs_url\": \"" URL "\", // with a \"comment\"\n  \"retry_times\": 2,\n"
         "  \"retry_delay\": 1\n}\n"),
    {.path = "root", .kind = PROP_DIR},
    {.path = "srv", .kind = PROP_DIR, .mode = 0755, .uid = 0},
    {0},
};

static char name[] = "psw", version[32], path[] = "lib/libdcap_quoteprov.so.1";
static ManifestFile file = {.path = path, .role = MANIFEST_ROLE_PROVIDER, .version = version};
static char home[] = "HOME=/root", srv[] = "HOME=/srv", nowhere[] = "AZDCAP_CACHE=/nowhere",
            elsewhere[] = "QCNL_CONF_PATH=/srv/qcnl.conf";

static void set_version(const char *text) {
    (void)snprintf(version, sizeof version, "%s", text);
}

static void prepare(Scene *scene) {
    set_version("1.23.100.0");
    scene->bundle = (Manifest){.name = name, .version = name, .files = &file, .files_count = 1};
    scene->subject.bundle = &scene->bundle;
    scene->environment[0] = home;
}

static void cache_nowhere(Scene *scene) {
    scene->environment[0] = nowhere;
}

static void stranger(Scene *scene) {
    scene->environment[0] = srv;
    scene->host.uid = scene->host.gid = 1000;
}

static void no_environment(Scene *scene) {
    scene->host.environment = NULL;
}

static void conf_elsewhere(Scene *scene) {
    scene->environment[1] = elsewhere;
}

static void release_1_20(Scene *scene) {
    (void)scene;
    set_version("1.20.100.2");
}

static void release_1_8(Scene *scene) {
    (void)scene;
    set_version("1.8");
}

static void release_unknown(Scene *scene) {
    (void)scene;
    set_version("");
}

/* What the service may answer is in tests/integration/test_provider.py. */
static void closed(Scene *scene) {
    static char text[128];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    AUTO_CLOSE int unheard = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(unheard, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(unheard, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(text, sizeof text, "{\"pccs_url\": \"http://127.0.0.1:%u/v4/\"}", ntohs(address.sin_port));
    scene_put(scene, &(Prop)TEXT(text));
}

static const SceneCase cases[] = {
    {"provider.config", CHECK_PASS, "can be read", {{0}}, NULL},
    {"provider.config",
     CHECK_PASS,
     "can be read",
     {TEXT("# old\nPCCS_URL=" URL "\n\nUSE_SECURE_CERT=FALSE\n")},
     NULL},
    {"provider.config", CHECK_WARN, "localhost", {GONE(CONF)}, NULL},
    {"provider.config", CHECK_FAIL, "line 2", {TEXT("{\"pccs_url\": \"x\"\n \"retry_times\": 1}\n")}, NULL},
    {"provider.config", CHECK_FAIL, "line 1: neither", {TEXT("what is this\n")}, NULL},
    {"provider.config", CHECK_FAIL, "empty", {TEXT("")}, NULL},
    {"provider.config",
     CHECK_PASS,
     "/srv/qcnl.conf",
     {{.path = "srv/qcnl.conf", .kind = PROP_FILE, .text = "{}"}},
     conf_elsewhere},
    {"provider.form", CHECK_PASS, "JSON", {{0}}, NULL},
    {"provider.form", CHECK_WARN, "KEY=value", {TEXT("PCCS_URL=" URL "\n")}, NULL},
    {"provider.form", CHECK_SKIP, "provider.config", {GONE(CONF)}, NULL},
    {"provider.keys", CHECK_PASS, "every key", {{0}}, NULL},
    {"provider.keys", CHECK_WARN, "'pcss_url'", {TEXT("{\"pcss_url\": \"" URL "\"}")}, NULL},
    {"provider.url", CHECK_PASS, URL, {{0}}, NULL},
    {"provider.url", CHECK_PASS, "http://local", {TEXT("{\"local_pck_url\": \"http://local/\"}")}, NULL},
    {"provider.url", CHECK_FAIL, "not set", {TEXT("{}")}, NULL},
    {"provider.url", CHECK_FAIL, "is not a URL", {TEXT("{\"pccs_url\": \"pccs.example\"}")}, NULL},
    {"provider.url-slash", CHECK_PASS, "ends in", {{0}}, NULL},
    {"provider.url-slash", CHECK_WARN, "does not end", {TEXT("{\"pccs_url\": \"https://a/v4\"}")}, NULL},
    {"provider.url-slash", CHECK_SKIP, "not set", {TEXT("{}")}, NULL},
    {"provider.version", CHECK_PASS, "in use", {{0}}, NULL},
    {"provider.version", CHECK_FAIL, "ended", {TEXT("{\"pccs_url\": \"https://a/v2/\"}")}, NULL},
    {"provider.version",
     CHECK_FAIL,
     "ended",
     {TEXT("{\"pccs_url\": \"https://api.trustedservices.intel.com/sgx/certification/v3/\"}")},
     NULL},
    {"provider.version", CHECK_WARN, "no version", {TEXT("{\"pccs_url\": \"https://a/\"}")}, NULL},
    {"provider.secure", CHECK_PASS, "verified", {{0}}, NULL},
    {"provider.secure", CHECK_PASS, "local", {TEXT("{\"pccs_url\": \"http://localhost:8081/v4/\"}")}, NULL},
    {"provider.secure", CHECK_WARN, "is http", {TEXT("{\"pccs_url\": \"http://pccs.example/v4/\"}")}, NULL},
    {"provider.secure",
     CHECK_WARN,
     "use_secure_cert",
     {TEXT("{\"pccs_url\": \"" URL "\", \"use_secure_cert\": false}")},
     NULL},
    {"provider.secure",
     CHECK_WARN,
     "use_secure_cert",
     {TEXT("PCCS_URL=" URL "\nUSE_SECURE_CERT=FALSE\n")},
     NULL},
    {"provider.update-type", CHECK_PASS, "the default", {{0}}, NULL},
    {"provider.update-type", CHECK_PASS, "early", {TEXT("{\"tcb_update_type\": \"early\"}")}, NULL},
    {"provider.update-type", CHECK_WARN, "'late'", {TEXT("{\"tcb_update_type\": \"late\"}")}, NULL},
    {"provider.api-version", CHECK_PASS, "the default", {{0}}, NULL},
    {"provider.api-version", CHECK_WARN, "'4.0'", {TEXT("{\"pccs_api_version\": \"4.0\"}")}, NULL},
    {"provider.retry", CHECK_PASS, "costs 2 s", {{0}}, NULL},
    {"provider.retry",
     CHECK_WARN,
     "costs 400 s",
     {TEXT("{\"retry_times\": 20, \"retry_delay\": \"20\"}")},
     NULL},
    {"provider.cache-only", CHECK_PASS, "may be fetched", {{0}}, NULL},
    {"provider.cache-only", CHECK_WARN, "cache alone", {TEXT("{\"local_cache_only\": true}")}, NULL},
    {"provider.cache", CHECK_PASS, "/root/.dcap-qcnl (HOME)", {{0}}, NULL},
    {"provider.cache", CHECK_INFO, "no directory", {{0}}, cache_nowhere},
    {"provider.cache", CHECK_INFO, "uid 1000 may not write", {{0}}, stranger},
    {"provider.cache", CHECK_SKIP, "not known", {{0}}, no_environment},
    {"provider.cache-owner", CHECK_PASS, "no cache yet", {{0}}, NULL},
    {"provider.cache-owner", CHECK_PASS, "is ours", {{.path = "root/.dcap-qcnl", .kind = PROP_DIR}}, NULL},
    {"provider.cache-owner",
     CHECK_WARN,
     "uid 1000",
     {{.path = "root/.dcap-qcnl", .kind = PROP_DIR, .uid = 1000}},
     NULL},
    {"provider.release", CHECK_PASS, "not known for a fault", {{0}}, NULL},
    {"provider.release", CHECK_PASS, "not known for a fault", {{0}}, release_1_20},
    {"provider.release",
     CHECK_FAIL,
     "crashes with local_pck_url",
     {TEXT("{\"local_pck_url\": \"http://local/\"}")},
     release_1_20},
    {"provider.release", CHECK_FAIL, "today", {{0}}, release_1_8},
    {"provider.release", CHECK_SKIP, "does not say", {{0}}, release_unknown},
    {"provider.reach", CHECK_WARN, "refuses connections", {{0}}, closed},
    {"provider.reach", CHECK_SKIP, "not set", {TEXT("{}")}, NULL},
};

static void the_provider_is_judged_by_its_configuration(void **state) {
    (void)state;
    scene_run(base, cases, sizeof cases / sizeof cases[0], prepare);
}

static void urls_are_taken_apart(void **state) {
    (void)state;
    ProviderUrl url;
    assert_true(provider_url_parse("https://[::1]:8081/v4/", &url));
    assert_string_equal(url.host, "::1");
    assert_string_equal(url.port, "8081");
    assert_string_equal(url.path, "/v4/");
    assert_true(url.tls);
    assert_true(provider_url_parse("http://a", &url));
    assert_string_equal(url.port, "80");
    static const char *const wrong[] = {
        "",           "ftp://a/",    "http://",     "http://a:0/",   "http://a:123456789/",
        "http://[]/", "http://[::1", "http://a b/", "https://a:80x/"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(provider_url_parse(wrong[i], &url));
    }
}

int main(void) {
    (void)setenv("no_proxy", "*", 1); /* NOLINT(concurrency-mt-unsafe): there is one thread */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_provider_is_judged_by_its_configuration),
        cmocka_unit_test(urls_are_taken_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
