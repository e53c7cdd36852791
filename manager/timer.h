/* SPDX-License-Identifier: Apache-2.0
 *
 * Timer: a one-shot timer in the event loop, kept in a slot of its owner.
 */
#ifndef MANAGER_TIMER_H
#define MANAGER_TIMER_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/* Makes the timer in *slot or sets it anew; it fires once after the time, exactly. False: out of memory. */
bool timer_start(sd_event *event, sd_event_source **slot, uint64_t milliseconds,
                 sd_event_time_handler_t handler, void *context) __attribute__((warn_unused_result));

/* It will not fire; the slot becomes NULL. Fine to call from its own handler and on an empty slot. */
void timer_stop(sd_event_source **slot);

#endif
