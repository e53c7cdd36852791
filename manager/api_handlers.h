/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions behind the API's requests. `rest` is what follows a path that ends in '/'. False: `err` is
 * the answer; true: it is answered, or will be.
 */
#ifndef MANAGER_API_HANDLERS_H
#define MANAGER_API_HANDLERS_H

#include "manager/api_request.h"

/* Take the reference (NULL: out of memory). */
bool api_answer(ApiRequest *request, json_t *json);
/* 202 while it runs, so that a script can tell "begun" from "done"; false if there is none. */
bool api_answer_operation(ApiRequest *request, const Operation *operation);

/* What there is to see. */
bool api_show_status(ApiRequest *request, const char *rest, Error *err);
bool api_show_health(ApiRequest *request, const char *rest, Error *err);
bool api_show_clients(ApiRequest *request, const char *rest, Error *err);
bool api_show_metrics(ApiRequest *request, const char *rest, Error *err);
bool api_show_bundles(ApiRequest *request, const char *rest, Error *err);
bool api_show_diff(ApiRequest *request, const char *rest, Error *err);
bool api_show_operations(ApiRequest *request, const char *rest, Error *err);
bool api_show_operation(ApiRequest *request, const char *rest, Error *err);
bool api_show_journal(ApiRequest *request, const char *rest, Error *err);
bool api_show_update(ApiRequest *request, const char *rest, Error *err);
bool api_show_tcb(ApiRequest *request, const char *rest, Error *err);

/* What begins an operation, or ends one. */
bool api_begin_stage(ApiRequest *request, const char *rest, Error *err);
bool api_begin_fetch(ApiRequest *request, const char *rest, Error *err);
bool api_begin_swap(ApiRequest *request, const char *rest, Error *err);
bool api_begin_adopt(ApiRequest *request, const char *rest, Error *err);
bool api_begin_rollback(ApiRequest *request, const char *rest, Error *err);
bool api_begin_commit(ApiRequest *request, const char *rest, Error *err);
bool api_begin_test(ApiRequest *request, const char *rest, Error *err);
bool api_begin_check(ApiRequest *request, const char *rest, Error *err);
bool api_begin_update(ApiRequest *request, const char *rest, Error *err);
bool api_begin_tcb(ApiRequest *request, const char *rest, Error *err);
bool api_remove_bundle(ApiRequest *request, const char *rest, Error *err);

#endif
