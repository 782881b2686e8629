/*
 * notify.h: tells the service manager how the process is doing, as sd_notify(3) has it: NOTIFY_SOCKET, WATCHDOG_USEC,
 * WATCHDOG_PID. Without a service manager all of this does nothing.
 */
#ifndef ZKQ_BASE_NOTIFY_H
#define ZKQ_BASE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Takes the variables out of the environment, so that children do not speak in our name. An address that cannot be used is
 * logged once and forgotten. */
void notify_open(void);
/* Sends one message, lines of NAME=VALUE; never blocks, never fails loudly. False when nobody has taken it. */
bool notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* How often to send "WATCHDOG=1": half of what the manager wants; 0 = it does not. */
int64_t notify_watchdog_ms(void);

#endif
