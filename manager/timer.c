/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/timer.h"

#include <time.h>

enum { ACCURACY_US = 100 }; /* sd-event's default of 250 ms would delay a swap by as much */

bool timer_start(sd_event *event, sd_event_source **slot, uint64_t milliseconds,
                 sd_event_time_handler_t handler, void *context) {
    timer_stop(slot);
    return sd_event_add_time_relative(event, slot, CLOCK_MONOTONIC, milliseconds * 1000, ACCURACY_US, handler,
                                      context) >= 0;
}

void timer_stop(sd_event_source **slot) {
    *slot = sd_event_source_disable_unref(*slot);
}
