/* SPDX-License-Identifier: Apache-2.0
 *
 * Scene: a fabricated node for the checks: a tree of files beneath a temporary directory, device nodes and
 * owners that exist only for stat, and a processor that exists only for CPUID.
 *
 * A case names a check, what is changed in a good node, and what the check must say. Invariant: every case
 * begins from the same good node.
 */
#ifndef TESTS_SUPPORT_SCENE_H
#define TESTS_SUPPORT_SCENE_H

#include "manager/checks/report.h"
#include "tests/support/place.h"

typedef enum PropKind {
    PROP_NONE,
    PROP_FILE, /* with this text */
    PROP_NODE, /* a character device: "MAJOR:MINOR" */
    PROP_LINK, /* to this target */
    PROP_DIR,
    PROP_SOCKET,
    PROP_GONE /* with everything beneath */
} PropKind;

typedef struct Prop {
    const char *path; /* without a leading slash */
    PropKind kind;
    const char *text;
    unsigned mode; /* 0: 0644 for files and links, 0755 for directories, 0666 for nodes and sockets */
    uid_t uid;     /* what stat says */
    gid_t gid;
} Prop;

enum { SCENE_PROPS_MAX = 128, SCENE_EDITS_MAX = 12, SCENE_LEAVES_MAX = 16 };

typedef struct SceneLeaf {
    uint32_t leaf, subleaf;
    HostCpuid registers;
} SceneLeaf;

typedef struct Scene Scene;

typedef struct SceneCase {
    const char *id;
    CheckStatus status;
    const char *words; /* what the sentence must contain */
    Prop edits[SCENE_EDITS_MAX];
    void (*change)(Scene *scene); /* more than files; may be NULL */
} SceneCase;

struct Scene {
    Place *place;
    Host host;
    CheckSettings settings;
    CheckSubject subject;
    Manifest bundle, serving;
    Prop props[SCENE_PROPS_MAX];
    size_t props_count;
    size_t good_count; /* the first of them are the good node's */
    SceneLeaf leaves[SCENE_LEAVES_MAX];
    size_t leaves_count;
    HostRoom room;  /* of every file system */
    int open_error; /* what opening a device node gives */
    char *environment[8];
    char bundle_path[128];
};

/* Runs every case from a good node of its own; base: more of the good node, ends in a PROP_NONE. */
void scene_run(const Prop *base, const SceneCase *cases, size_t count, void (*prepare)(Scene *scene));

void scene_put(Scene *scene, const Prop *prop);
/* Sets one leaf, in place of what it was. */
void scene_leaf(Scene *scene, uint32_t leaf, uint32_t subleaf, HostCpuid registers);

#endif
