/* SPDX-License-Identifier: Apache-2.0
 *
 * Answer: what Intel's server would answer to a request, byte for byte (docs/protocol.md).
 *
 * Everything but a quote is answered from what is constant in a generation, without the engine. A quote's
 * parameters are checked here too, so that only sound ones reach the queue.
 */
#ifndef QUOTED_ANSWER_H
#define QUOTED_ANSWER_H

#include "quoted/engine.h"
#include "quoted/wire/request.h"
#include "quoted/wire/response.h"

enum { ANSWER_KEY_IDS = 1, ANSWER_BUFFER_SIZE_MAX = 147456, ANSWER_SIZE_MAX = 160 * 1024 };

typedef struct AnswerFacts {
    EngineFacts engine;
    uint32_t quote_size; /* that clients are told: the largest of ours and the lame ducks' */
    bool ducks;          /* there are lame ducks, whose quotes may be smaller than ours */
} AnswerFacts;

typedef enum AnswerKind { ANSWER_DONE, ANSWER_NEEDS_QUOTE } AnswerKind;

/* Builds the answer, or says that a quote has to be made first. */
AnswerKind answer_request(const AesmRequest *request, const AnswerFacts *facts, AesmResponse *response,
                          AesmCode *ret_code);

/* The answer of any request with an error code, with the fields that this request's errors carry. */
void answer_error(const AesmRequest *request, AesmCode code, AesmResponse *response);

/* What a quote answer needs of its request after the request's bytes are gone. */
typedef struct AnswerQuote {
    SgxReport report;
    uint32_t buffer_size;
    bool has_info;
    SgxQeReportInfo info; /* as sent; after a success with the QE's report */
} AnswerQuote;

/* Only after ANSWER_NEEDS_QUOTE. */
void answer_quote_take(const AesmRequest *request, AnswerQuote *ret_quote);
/* `size` bytes of quote, zeros up to the client's buffer size. */
void answer_quote(const AnswerQuote *quote, const uint8_t *bytes, uint32_t size, AesmResponse *response);
void answer_quote_error(const AnswerQuote *quote, AesmCode code, AesmResponse *response);

#endif
