/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/offer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/digest.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/version.h"

enum { WORD_MAX = 32, URL_MAX = 256, PATH_MAX_SIZE = 200, BUNDLE_NAME_MAX = 64 };

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static bool is_name(const char *text) {
    return text[0] != '\0' && text[0] != '-' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(text) &&
           strlen(text) <= BUNDLE_NAME_MAX;
}

static bool is_digest(const char *text) {
    Digest ignored;
    return digest_parse(text, &ignored);
}

json_t *offer_channel_new(void) {
    return json_pack("{s:[], s:[]}", "candidates", "known_bad");
}

/* Rules that cannot be read must not be passed over: whoever wrote them meant something by them. */
static bool add_rules(json_t *channel, const json_t *custom, const char **ret_fault, Error *err) {
    const json_t *bad = json_object_get(custom, "known_bad"), *floor = json_object_get(custom, "floor");
    json_t *all = json_object_get(channel, "known_bad"), *entry = NULL;
    size_t index = 0;
    const char *version = floor != NULL ? json_string_value(floor) : NULL;
    if ((floor != NULL && (version == NULL || !version_is_valid(version))) ||
        (bad != NULL && !json_is_array(bad))) {
        *ret_fault = "the floor in its custom data is not a version, or known_bad is not a list";
        return true;
    }
    if (version != NULL &&
        (text_of(channel, "floor")[0] == '\0' || version_compare(version, text_of(channel, "floor")) > 0) &&
        !json_put(channel, "floor", json_string(version))) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    json_array_foreach(bad, index, entry) {
        const char *text = json_string_value(entry);
        if (text == NULL || (!version_is_valid(text) && !is_digest(text))) {
            *ret_fault = "known_bad in its custom data names what is neither a version nor a digest";
            return true;
        }
        if (json_array_size(all) >= OFFER_KNOWN_BAD_MAX) {
            return error_set(err, ERROR_LIMIT, "the channel lists more than %d bundles as known to be bad",
                             OFFER_KNOWN_BAD_MAX);
        }
        if (json_array_append(all, entry) != 0) {
            return error_set(err, ERROR_MEMORY, "out of memory");
        }
    }
    return true;
}

static bool copy_printable(json_t *to, const json_t *from, const char *key, size_t max) {
    const char *text = text_of(from, key);
    return text[0] == '\0' || !text_is_printable(text, max) || json_put(to, key, json_string(text));
}

/* Only whole and sound: half of it would not be enough for a verdict. */
static bool copy_isv_svns(json_t *to, const json_t *custom) {
    const json_t *numbers = json_object_get(custom, "isv_svn");
    const json_t *qe = json_object_get(numbers, "qe3"), *pce = json_object_get(numbers, "pce");
    const json_int_t qe_isv_svn = json_is_integer(qe) ? json_integer_value(qe) : -1;
    const json_int_t pce_isv_svn = json_is_integer(pce) ? json_integer_value(pce) : -1;
    return qe_isv_svn < 0 || qe_isv_svn > UINT16_MAX || pce_isv_svn < 0 || pce_isv_svn > UINT16_MAX ||
           (json_put(to, "qe_isv_svn", json_integer(qe_isv_svn)) &&
            json_put(to, "pce_isv_svn", json_integer(pce_isv_svn)));
}

static bool copy_facts(json_t *to, const json_t *custom) {
    return json_put(to, "name", json_string(text_of(custom, "name"))) &&
           json_put(to, "version", json_string(text_of(custom, "version"))) &&
           json_put(to, "bundle", json_string(text_of(custom, "bundle"))) &&
           json_put(to, "simulated", json_boolean(json_is_true(json_object_get(custom, "simulated")))) &&
           copy_printable(to, custom, "urgency", WORD_MAX) && copy_printable(to, custom, "notes", URL_MAX) &&
           copy_isv_svns(to, custom);
}

/* As much of a path as is shown, which is JSON's and so UTF-8, up to the end of a character. */
static size_t shown_length(const char *path) {
    size_t length = strnlen(path, PATH_MAX_SIZE);
    while (length > 0 && ((unsigned char)path[length] & 0xc0) == 0x80) {
        length--;
    }
    return length;
}

bool offer_channel_add(json_t *channel, const char *path, uint64_t length, const json_t *custom, Error *err) {
    json_t *candidates = json_object_get(channel, "candidates");
    const char *fault = NULL;
    if (json_array_size(candidates) >= OFFER_CANDIDATES_MAX) {
        return error_set(err, ERROR_LIMIT,
                         "the channel has more than %d bundles: its publisher must remove old ones",
                         OFFER_CANDIDATES_MAX);
    }
    if (!add_rules(channel, custom, &fault, err)) {
        return false;
    }
    if (strlen(path) > PATH_MAX_SIZE) {
        fault = "its path is longer than 200 bytes";
    } else if (fault == NULL &&
               (!is_name(text_of(custom, "name")) || !version_is_valid(text_of(custom, "version")) ||
                !is_digest(text_of(custom, "bundle")))) {
        fault =
            "its custom data lacks a proper name, version or bundle: it is no bundle, or was not added by "
            "psw-bundle repo add";
    }
    json_t *candidate =
        json_pack("{s:s%, s:I}", "path", path, shown_length(path), "length", (json_int_t)length);
    bool good = candidate != NULL && (fault != NULL ? json_put(candidate, "malformed", json_string(fault))
                                                    : copy_facts(candidate, custom));
    return (json_array_append_new(candidates, candidate) == 0 && good) ||
           error_set(err, ERROR_MEMORY, "out of memory");
}

static const char *channel_floor(const json_t *channel) {
    return json_string_value(json_object_get(channel, "floor"));
}

static bool is_known_bad(const json_t *channel, const char *version, const char *digest) {
    const json_t *entry = NULL;
    size_t index = 0;
    json_array_foreach(json_object_get(channel, "known_bad"), index, entry) {
        const char *bad = json_string_value(entry);
        if (version_is_valid(bad) ? version_compare(bad, version) == 0 : strcasecmp(bad, digest) == 0) {
            return true;
        }
    }
    return false;
}

typedef struct Verdict {
    const char *word; /* NULL: eligible */
    char reason[ERROR_TEXT_MAX];
} Verdict;

static void say(Verdict *verdict, const char *word, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void say(Verdict *verdict, const char *word, const char *format, ...) {
    va_list args;
    verdict->word = word;
    va_start(args, format);
    (void)vsnprintf(verdict->reason, sizeof verdict->reason, format, args);
    va_end(args);
}

/* Rules that hold whatever an operator asks for. */
static void judge_hard(const json_t *channel, const OfferNode *node, const json_t *candidate,
                       Verdict *verdict) {
    const char *floor = channel_floor(channel);
    const char *version = text_of(candidate, "version"), *digest = text_of(candidate, "bundle");
    const char *unmet = json_string_value(json_object_get(node->unmet, digest));
    if (json_object_get(candidate, "malformed") != NULL) {
        say(verdict, "malformed", "%s", text_of(candidate, "malformed"));
    } else if (is_known_bad(channel, version, digest)) {
        say(verdict, "known-bad", "the publisher lists it as known to be bad");
    } else if (floor != NULL && version_compare(version, floor) < 0) {
        say(verdict, "below-floor", "the publisher's floor is %s: nothing older may be installed", floor);
    } else if (json_is_true(json_object_get(candidate, "simulated")) && !node->simulated_allowed) {
        say(verdict, "simulated",
            "it is for the simulated platform and its quotes prove nothing: only 'simulated: allow' takes "
            "it");
    } else if (node->name != NULL && strcmp(node->name, text_of(candidate, "name")) != 0) {
        say(verdict, "other-name", "it is a '%s', what serves is a '%s': swap to it by hand",
            text_of(candidate, "name"), node->name);
    } else if (unmet != NULL) {
        say(verdict, "requirement", "%s", unmet);
    }
}

/* Rules that an operator may override by asking for a version by name. */
static void judge_soft(const OfferNode *node, const json_t *candidate, Verdict *verdict) {
    const char *version = text_of(candidate, "version"), *digest = text_of(candidate, "bundle");
    const char *failed = json_string_value(json_object_get(node->failed, digest));
    if (failed != NULL) {
        say(verdict, "failed-here",
            "it did not last on this node: %s: try it again with pswctl update --to %s", failed, version);
    } else if (node->version != NULL && version_compare(version, node->version) < 0) {
        say(verdict, "older", "it is older than %s, which serves: pswctl update --to %s goes back to it",
            node->version, version);
    } else if (node->version != NULL && version_compare(version, node->version) == 0) {
        say(verdict, "same-version",
            "another bundle of version %s serves: pswctl update --to %s takes this one", node->version,
            version);
    }
}

static void judge(const json_t *channel, const OfferNode *node, const json_t *candidate, const char *want,
                  Verdict *verdict) {
    const char *version = text_of(candidate, "version");
    if (node->digest != NULL && strcmp(node->digest, text_of(candidate, "bundle")) == 0) {
        say(verdict, "serving", "it serves");
        return;
    }
    judge_hard(channel, node, candidate, verdict);
    if (verdict->word != NULL) {
        return;
    }
    if (want == NULL) {
        judge_soft(node, candidate, verdict);
    } else if (version_compare(version, want) != 0) {
        say(verdict, "not-wanted", "version %s was asked for", want);
    }
}

static int newest_first(const void *a, const void *b) {
    const json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;
    const char *one = text_of(left, "version"), *other = text_of(right, "version");
    bool sound = version_is_valid(one), other_sound = version_is_valid(other);
    int order = sound && other_sound ? version_compare(other, one) : (int)other_sound - (int)sound;
    return order != 0 ? order : strcmp(text_of(left, "path"), text_of(right, "path"));
}

static json_t *sorted_copy(const json_t *candidates) {
    json_t *list[OFFER_CANDIDATES_MAX] = {NULL};
    size_t count = json_array_size(candidates);
    CLEANUP(json_freep) json_t *sorted = json_array();
    if (count > OFFER_CANDIDATES_MAX) {
        count = OFFER_CANDIDATES_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        list[i] = json_array_get(candidates, i);
    }
    qsort(list, count, sizeof(json_t *), newest_first);
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(sorted, json_deep_copy(list[i])) != 0) {
            return NULL;
        }
    }
    return TAKE(sorted);
}

json_t *offer_judge(const json_t *channel, const OfferNode *node, const char *want,
                    const json_t **ret_offer) {
    CLEANUP(json_freep) json_t *judged = sorted_copy(json_object_get(channel, "candidates"));
    const json_t *offer = NULL;
    json_t *candidate = NULL;
    size_t index = 0;
    if (judged == NULL) {
        return NULL;
    }
    json_array_foreach(judged, index, candidate) {
        Verdict verdict = {0};
        judge(channel, node, candidate, want, &verdict);
        if (verdict.word == NULL && offer == NULL) {
            offer = candidate;
            say(&verdict, "offered", "%s",
                node->version == NULL ? "it is the newest that policy allows"
                                      : "it is newer than what serves");
        } else if (verdict.word == NULL) {
            say(&verdict, "superseded", "%s is offered, which is newer", text_of(offer, "version"));
        }
        if (!json_put(candidate, "verdict", json_string(verdict.word)) ||
            !json_put(candidate, "reason", json_string(verdict.reason))) {
            return NULL;
        }
    }
    *ret_offer = offer;
    return TAKE(judged);
}

void offer_judge_serving(const json_t *channel, const OfferNode *node, char *text, size_t size) {
    const char *floor = channel_floor(channel);
    text[0] = '\0';
    if (node->version == NULL || node->digest == NULL) {
        return;
    }
    if (is_known_bad(channel, node->version, node->digest)) {
        (void)snprintf(text, size, "what serves, version %s, is listed as known to be bad by its publisher",
                       node->version);
    } else if (floor != NULL && version_compare(node->version, floor) < 0) {
        (void)snprintf(text, size, "what serves, version %s, is below the publisher's floor %s",
                       node->version, floor);
    }
}

bool offer_check_wanted(const json_t *judged, const char *want, Error *err) {
    const json_t *candidate = NULL, *refused = NULL;
    size_t index = 0;
    json_array_foreach(judged, index, candidate) {
        const char *version = text_of(candidate, "version"), *verdict = text_of(candidate, "verdict");
        if (!version_is_valid(version) || version_compare(version, want) != 0) {
            continue;
        }
        if (strcmp(verdict, "offered") == 0 || strcmp(verdict, "serving") == 0) {
            return true;
        }
        refused = refused != NULL ? refused : candidate;
    }
    if (refused != NULL) {
        return error_set(err, ERROR_PERMISSION, "version %s is refused: %s", want,
                         text_of(refused, "reason"));
    }
    return error_set(err, ERROR_NOT_FOUND,
                     "the channel has no version %s: pswctl list --remote shows what it has", want);
}

json_t *offer_node_json(const OfferNode *node) {
    return json_pack("{s:s?, s:s?, s:s?, s:b, s:O?, s:O?}", "name", node->name, "version", node->version,
                     "digest", node->digest, "simulated_allowed", node->simulated_allowed, "failed",
                     (json_t *)(uintptr_t)node->failed, "unmet", (json_t *)(uintptr_t)node->unmet);
}

void offer_node_read(const json_t *object, OfferNode *ret_node) {
    *ret_node = (OfferNode){.name = json_string_value(json_object_get(object, "name")),
                            .version = json_string_value(json_object_get(object, "version")),
                            .digest = json_string_value(json_object_get(object, "digest")),
                            .simulated_allowed = json_is_true(json_object_get(object, "simulated_allowed")),
                            .failed = json_object_get(object, "failed"),
                            .unmet = json_object_get(object, "unmet")};
}
