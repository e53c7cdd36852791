/* SPDX-License-Identifier: Apache-2.0
 *
 * Survey: the enclaves in whatever a command is pointed at: enclave files, bare SIGSTRUCTs, bundles,
 * packages, directories of these.
 *
 * What a file is is told by its bytes, not by its name. Under a directory, what is none of these is passed
 * over; a file that was named is an error then. Invariant: work is bounded, links are not followed, and every
 * enclave is read once.
 */
#ifndef BUNDLES_TOOL_SURVEY_H
#define BUNDLES_TOOL_SURVEY_H

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"
#include "bundles/manifest.h"

enum { SURVEY_DEPTH_MAX = 16, SURVEY_ENTRIES_MAX = 100000 };
/* Of a file that is an enclave or a SIGSTRUCT; larger ones exist nowhere. */
#define SURVEY_FILE_SIZE_MAX (UINT64_C(512) * 1024 * 1024)

typedef struct SurveyVisitor {
    void *context;
    uint64_t file_size_max; /* of an enclave file: SURVEY_FILE_SIZE_MAX at most */
    unsigned entries_max;   /* of all directories: SURVEY_ENTRIES_MAX at most */
    /* `path` is how to name it to people: "FILE", "DIR/FILE", "FILE.pswb:lib/FILE", "FILE.deb:usr/lib/FILE".
     * False ends the survey. */
    bool (*enclave)(void *context, const char *path, Bytes content, Error *err);
    /* Before its enclaves, and again (complete) after its last byte was found right; size of the file. */
    bool (*bundle)(void *context, const char *path, const Manifest *manifest, uint64_t size, bool complete,
                   Error *err);
    /* What was wrong with one file under a directory; the others are looked at all the same. NULL: it ends
     * the survey. */
    void (*trouble)(void *context, const Error *trouble);
} SurveyVisitor;

/* ERROR_NOT_FOUND if there is no enclave at all. */
bool survey_path(const char *path, const SurveyVisitor *visitor, Error *err)
    __attribute__((warn_unused_result));

#endif
