/*
 * time.h: times of records, in UTC with milliseconds.
 */
#ifndef ZKQ_CODEC_TIME_H
#define ZKQ_CODEC_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* "2026-11-20T08:31:02.114Z" and back, ms since 1970; false when text is not such a time. */
void time_write(int64_t wall_ms, char buffer[25]);
bool time_parse(const char *text, int64_t *wall_ms);

#endif
