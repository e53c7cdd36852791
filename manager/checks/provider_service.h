/* SPDX-License-Identifier: Apache-2.0
 *
 * ProviderService: does the service that the certificate provider asks (a PCCS, or Intel's PCS) answer?
 *
 * It is asked for a CRL that every one of them has (Intel PCS API v4 and PCCS, "rootcacrl" and "pckcrl"), by
 * a child that has the network, the name service's files and nothing else. Invariant: an answer within
 * PROVIDER_SERVICE_MS, whatever the service does.
 */
#ifndef MANAGER_CHECKS_PROVIDER_SERVICE_H
#define MANAGER_CHECKS_PROVIDER_SERVICE_H

#include "manager/checks/child.h"

enum { PROVIDER_SERVICE_MS = 12 * 1000 };

/* `url`: pccs_url, to which paths are appended as the provider does. `verify`: whether its certificate must
 * be good (use_secure_cert). The answer's text says what came, or went wrong, in a sentence that begins with
 * the URL. */
void provider_service_ask(const char *url, bool verify, ChildAnswer *ret_answer);

#endif
