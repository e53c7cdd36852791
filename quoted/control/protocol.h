/* SPDX-License-Identifier: Apache-2.0
 *
 * Protocol: what psw-manager and quoted say to each other over a generation's control socket.
 *
 * Unix socket, SOCK_SEQPACKET, "<runtime>/generation-<N>.sock", bound by quoted, 0600, peers of the same uid
 * or root only. One datagram is one message: a header of 16 bytes (little endian), then the payload; at most
 * one descriptor travels with it (SCM_RIGHTS). A request carries a number that the reply repeats; several
 * may be under way. Replies carry `status`: 0 or an ErrorKind, and then the payload is the error's text.
 * Events have request number 0 and go to every connection that has said CONTROL_WATCH. docs/protocol.md
 * describes each message; this table and that page are compared by a check.
 */
#ifndef QUOTED_CONTROL_PROTOCOL_H
#define QUOTED_CONTROL_PROTOCOL_H

#include <stdint.h>

enum {
    CONTROL_HEADER_SIZE = 16,
    CONTROL_PAYLOAD_MAX = 32 * 1024,
    CONTROL_MESSAGE_MAX = CONTROL_HEADER_SIZE + CONTROL_PAYLOAD_MAX
};

typedef struct __attribute__((packed)) ControlHeader {
    uint32_t type;    /* ControlType */
    uint32_t request; /* chosen by the asker, not 0; 0 in events */
    uint32_t status;  /* replies: 0 or an ErrorKind */
    uint32_t size;    /* of the payload */
} ControlHeader;

typedef enum ControlType {
    /* Requests of the manager. Payload JSON or empty unless said otherwise. */
    CONTROL_STATUS = 1, /* -> status document (docs/protocol.md) */
    CONTROL_WATCH = 2,  /* from now on events go to this connection; -> status document */
    CONTROL_ACCEPT =
        3,             /* {"ducks": [{"generation": N, "control": PATH}…]} newest first, optionally with the
                          listener as descriptor: serve. Only in state ready or serving; -> status document */
    CONTROL_DRAIN = 4, /* stop accepting, finish what was accepted; event DRAINED when done */
    CONTROL_RESUME = 5, /* accept again (a swap that is undone); {"ducks": …} as in ACCEPT */
    CONTROL_DUCKS = 6, /* {"ducks": …}: replace the list of lame ducks; a listener that comes along is held */
    CONTROL_LISTENER = 7, /* -> empty payload, with a copy of the listener as descriptor */
    CONTROL_TRIAL = 8,    /* take a trial quote now; -> {"kind": "quote"|"probe", "microseconds": n} */
    CONTROL_RETIRE = 9,   /* drain, then end the process */
    CONTROL_RESCUE = 10,  /* -> empty payload, with the receiving end of the rescue channel as descriptor */
    CONTROL_ADOPT = 11,   /* with a client connection as descriptor, its request still unread: serve it */

    CONTROL_CLIENTS =
        13, /* {"from": N} -> {"clients": […], "next": N}: who holds target info of a former QE */
    CONTROL_COUNTS = 12, /* -> what it has counted (quoted/control/counts.h) */

    /* Between generations: binary. Request payload: u32 buffer size, u32 has_info, report (432),
     * and with has_info the QE report info (960). Reply: u32 quote3 code, u32 quote size (without padding),
     * the quote, and with has_info the QE report info. */
    CONTROL_QUOTE = 16,

    /* Events */
    CONTROL_EVENT_READY = 32, /* warm-up done; status document */
    CONTROL_EVENT_FAILED =
        33, /* no warm-up, or the engine is lost: the process ends; {"kind": …, "error": …} */
    CONTROL_EVENT_DRAINED = 34, /* {"finished": n}: every accepted connection is answered */
    CONTROL_EVENT_ALARM = 35,   /* {"kind": …, "error": …}: something that the manager should act on */
    CONTROL_EVENT_COUNTS = 36,  /* the process ends as it was told to: its counts for the last time */
    CONTROL_EVENT_RECALL =
        37 /* a report that nobody accepts may be for a generation that is gone: DUCKS answers */
} ControlType;

/* States of a generation as quoted knows them; the manager adds "retired". */
typedef enum ControlState {
    CONTROL_STATE_WARMING,
    CONTROL_STATE_READY,
    CONTROL_STATE_SERVING,
    CONTROL_STATE_DRAINING,
    CONTROL_STATE_LAME_DUCK, /* drained; answers CONTROL_QUOTE only */
    CONTROL_STATE_FAILED
} ControlState;

const char *control_state_name(ControlState state); /* "lame-duck" */

/* The rescue channel: a SOCK_SEQPACKET pair of which quoted holds both ends and the manager a copy of the
 * receiving one (CONTROL_RESCUE). Each message on it is one byte and one client connection by SCM_RIGHTS,
 * with its request still unread: quoted only looks at a request (MSG_PEEK) and takes it out of the socket
 * when the answer is written. Two things are sent there: when CONTROL_DRAIN comes, the connections whose
 * request is not whole (the event DRAINED says how many, "left"); and when the process ends in any other way,
 * all that are unanswered, and before them one byte without a descriptor as soon as the end begins. The
 * latter is done by a child that shares quoted's table of descriptors, so the channel reads as ended (end of
 * file) only after the last of them. The manager gives each to the serving generation by CONTROL_ADOPT. A
 * client that was answered in the very moment of the end may be answered twice; it reads one. */

#endif
