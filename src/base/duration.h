/*
 * duration.h: lengths of time as people write and read them.
 */
#ifndef ZKQ_BASE_DURATION_H
#define ZKQ_BASE_DURATION_H

#include <stdint.h>

#define DURATION_SIZE 32	/* room for what the functions below write */

/*
 * Reads "90" (seconds), "90s", "500ms", "1h30m", "2d" or "HH:MM:SS" into *ms, and nothing else: units stand in
 * falling order, each once. Returns NULL, or a static phrase that says what is wrong; then *ms is untouched.
 */
const char *duration_parse(const char *text, int64_t *ms);

/* Exactly, in the form that duration_parse() reads: "1h30m", "500ms", "0s". Negative times get a minus. */
const char *duration_exact(int64_t ms, char buffer[DURATION_SIZE]);
/* At a glance, at most two units, for columns: "40s", "2m", "1h12m", "3d4h". */
const char *duration_short(int64_t ms, char buffer[DURATION_SIZE]);
/* As a clock that runs: "0:12", "1:48", "1:02:03". */
const char *duration_clock(int64_t ms, char buffer[DURATION_SIZE]);

#endif
