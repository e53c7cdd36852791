/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/ctl/commands.h"

const Command commands[] = {
    {"status", NULL, NULL, ctl_status, "what serves, what is staged, what is wrong",
     "Shows the serving generation, the way back, lame ducks (they answer applications that still hold\n"
     "target info of a former QE), the operation under way, staged bundles, and problems with their "
     "remedy.\n"
     "Exit status 16: nothing serves although something should, or its last trial quote failed.\n"},
    {"clients", NULL, NULL, ctl_clients, "who still lives on a former quoting enclave",
     "Lists the processes that hold target info of a QE which does not serve any more, with their container "
     "or\n"
     "unit, how many quotes lame ducks made for them and when they were seen last. Their quotes show the\n"
     "former QE's ISVSVN until they are restarted.\n"},
    {"list", NULL, "[--remote]", ctl_list, "staged bundles, or what the repository has",
     "Lists the bundles in the node's store, newest version first. With --remote: those of the repository's\n"
     "channel as of the last look, each with why it is offered or not.\n"},
    {"check-update", NULL, "[--no-wait]", ctl_check_update, "look into the repository",
     "Refreshes the signed metadata and says which bundle of the channel this node is offered. Nothing is\n"
     "downloaded.\n"},
    {"update", NULL,
     "[--to VERSION] [--stage-only] [--soak TIME] [--allow-downgrade NAME] [--from FILE|DIRECTORY] "
     "[--no-wait]",
     ctl_update, "bring what the repository offers to this node",
     "Looks into the repository, downloads what is offered, verifies and stages it, and swaps to it. With\n"
     "--to, that version of the channel, which may be older than what serves; with --stage-only there is no\n"
     "swap. --from takes a repository in a DIRECTORY, or a FILE of psw-bundle repo export, instead of the\n"
     "configured one, for nodes without a network: it is verified in the same way.\n"},
    {"explain", "[CODE]", NULL, ctl_explain, "why nothing happens, or what a code means",
     "Says in one sentence how things stand with updates, and for every bundle of the channel why it is or\n"
     "is not offered to this node. With a CODE, without the manager: what a number of AESM (42), of Intel's\n"
     "libraries (0xe018, 0x4004, SGX_QL_OUT_OF_EPC) or a check (driver.nodes) means, and what to do.\n"},
    {"fetch", "URL", "--sha256 D [--stage] [--no-wait]", ctl_fetch, "download a bundle",
     "Downloads a bundle over https (or from a file: URL) and keeps it only if its SHA-256 is D. An\n"
     "interrupted download goes on where it stopped. With --stage it is verified and staged at once; else\n"
     "do that later with: pswctl stage D\n"},
    {"stage", "FILE|SHA256", "[--no-wait]", ctl_stage, "verify a bundle and put it into the store",
     "Sends FILE to the manager, which verifies every byte of it and puts it into the store. With the\n"
     "SHA-256 of something fetched before, stages that.\n"},
    {"test", "BUNDLE", "[--junit FILE] [--no-wait]", ctl_test, "try a staged bundle beside what serves",
     "Starts the bundle, lets it load its enclaves and make a trial quote, ends it, and runs all "
     "compatibility\n"
     "checks for it: one line a check. No client meets it. --junit also writes JUnit XML.\n"
     "BUNDLE is a version, NAME@VERSION, or at least 8 digits of the digest.\n"},
    {"diff", "BUNDLE", NULL, ctl_diff, "what a swap to a staged bundle would change",
     "Compares the serving bundle with BUNDLE: ISVSVNs, MRENCLAVEs, requirements, files, and what "
     "applications\n"
     "will notice. 'pswctl swap' shows the same before it begins.\n"},
    {"swap", "BUNDLE", "[--soak TIME] [--allow-downgrade NAME] [--no-wait]", ctl_swap,
     "make a staged bundle the serving one",
     "Starts the bundle beside the serving one; when its trial quote is good, new connections go to it\n"
     "and the former one finishes what it has. For the soak time it is watched: on failure the former one "
     "serves\n"
     "again by itself. TIME is such as 30s, 5m or 0 (commit at once); the default is swap.soak.\n"
     "BUNDLE is a version, NAME@VERSION, or at least 8 digits of the digest.\n"
     "An enclave whose ISVSVN is below that of the serving one is refused, unless its role (qe3, "
     "id_enclave,\n"
     "pce) or the bundle's name is given with --allow-downgrade, once for each. What served before is the "
     "way\n"
     "back and needs no name. The journal says so in any case.\n"},
    {"commit", NULL, NULL, ctl_commit, "end the soak of a swap with success", "Ends the soak at once.\n"},
    {"adopt", "BUNDLE", "[--soak TIME] [--no-wait]", ctl_adopt, "take over from a daemon that is not ours",
     "For the first start on a node where Intel's aesmd serves: a swap from that daemon to a staged bundle, "
     "on its\n"
     "own socket, without a failed request. It is stopped when it has no request in the works, is the way "
     "back\n"
     "during the soak, and is ended by the commit. Where systemd would start it again, mask its unit "
     "before:\n"
     "systemctl mask aesmd. The manager needs CAP_SYS_PTRACE and CAP_KILL for this.\n"
     "BUNDLE and TIME are as for pswctl swap.\n"},
    {"rollback", NULL, "[--soak TIME] [--no-wait]", ctl_rollback, "go back to what served before",
     "During a swap: undoes it. Else: swaps to the bundle that served before, at once where its generation\n"
     "still lives as a lame duck.\n"},
    {"remove", "BUNDLE", "[--no-wait]", ctl_remove, "remove a bundle from the store",
     "Removes a staged bundle; refused while it is needed.\n"},
    {"tcb", NULL, "[--no-wait]", ctl_tcb, "what relying parties make of this node, today and soon",
     "Fetches TCB info, QE identity and CRLs as collateral.urls says, for what counts today (standard) and "
     "for\n"
     "Intel's newest (early), verifies a trial quote with them, and says for the serving and the staged\n"
     "bundles what relying parties will see, and what is short: bundle, PCK certificate or microcode.\n"},
    {"verify", "QUOTE", "[--collateral FILE|DIRECTORY] [--root FILE] [--time TIME]", ctl_verify,
     "is this quote good, and how good is its platform",
     "Verifies a quote (a file of raw bytes, hex or base64; - is standard input) as a relying party does,\n"
     "without the manager and without a network. Collateral is a file as Phala's dcap-qvl has it, an answer\n"
     "of Intel's PCS, or a directory of such answers. The root is Intel's unless --root names the file of\n"
     "another; TIME is now unless given as 2026-11-21T03:45:00Z.\n"
     "Exit status 0: UpToDate; 1: genuine, with another TCB status; 4: quote or collateral malformed; 5: "
     "not\n"
     "verifiable, that is forged, revoked, expired or incomplete.\n"},
    {"doctor", NULL, "[--root DIR] [--junit FILE]", ctl_doctor, "is this node fit, and what to do first",
     "Looks at processor, driver, EPC, libraries, socket, provider and node, and shows what is not as it\n"
     "should be, with its remedy; --json has every check. Works without the manager. --root looks at "
     "another\n"
     "root: a mounted image, or a container's /proc/PID/root. --junit also writes JUnit XML. Exit status 5 "
     "if\n"
     "a check failed.\n"},
    {"journal", NULL, "[--count N]", ctl_journal, "what happened, and who asked for it",
     "Prints the last events (20, or N), oldest first.\n"},
};

const size_t commands_count = sizeof commands / sizeof commands[0];
