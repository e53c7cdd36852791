/* SPDX-License-Identifier: Apache-2.0
 *
 * Offer: which bundle of a channel this node shall have: policy alone, no input or output.
 *
 * A channel is what signed metadata says about its targets, as a JSON object:
 *   candidates: a list of { path, length, and either `malformed` (a sentence) or name, version, bundle (the
 *     bundle's digest), simulated, and where given urgency, notes, and qe_isv_svn with
 *     pce_isv_svn, which are for the advisor only: what is installed is verified by its own files };
 *   floor: the highest of the floors in its targets' custom data, where there is one;
 *   known_bad: the versions and digests that any of them lists.
 * Floor and known-bad lists hold for the whole channel, so that nobody loosens them by adding a target.
 * docs/updating.md has the custom data and the verdicts. Invariant: at most one candidate is offered, and it
 * passed every rule.
 */
#ifndef MANAGER_OFFER_H
#define MANAGER_OFFER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/error.h"

enum { OFFER_CANDIDATES_MAX = 128, OFFER_KNOWN_BAD_MAX = 256 };

json_t *offer_channel_new(void); /* an empty one; NULL: out of memory */

/* Adds a target; `custom` (may be NULL) is its custom data. ERROR_LIMIT, ERROR_MEMORY. */
bool offer_channel_add(json_t *channel, const char *path, uint64_t length, const json_t *custom, Error *err)
    __attribute__((warn_unused_result));

/* What the judgement depends on besides the candidates; all borrowed. */
typedef struct OfferNode {
    const char *name, *version, *digest; /* of what serves, or should; NULL: nothing, or not known */
    bool simulated_allowed;
    const json_t *failed; /* object, digest -> sentence: bundles that did not last on this node */
    const json_t *unmet;  /* object, digest -> sentence: staged bundles that this host cannot run */
} OfferNode;

/* A new array, newest version first: the candidates, each with `verdict` (a word) and `reason` (a sentence).
 * `want`: NULL, or the version that an operator asks for by name: that may be older than what serves, or have
 * failed here; everything else holds. `ret_offer` (borrowed from the array) is the chosen one, or NULL.
 * NULL: out of memory. */
json_t *offer_judge(const json_t *channel, const OfferNode *node, const char *want, const json_t **ret_offer);

/* A sentence if the channel says that what serves must not; "" if not. */
void offer_judge_serving(const json_t *channel, const OfferNode *node, char *text, size_t size);

/* Whether a version that an operator asked for can be had: ERROR_NOT_FOUND or the reason why not. */
bool offer_check_wanted(const json_t *judged, const char *want, Error *err)
    __attribute__((warn_unused_result));

/* OfferNode to and from JSON, for a child. */
json_t *offer_node_json(const OfferNode *node);
void offer_node_read(const json_t *object, OfferNode *ret_node); /* borrows from the object */

#endif
