/*
 * info.h: what is known of a task, as text, as JSON and as an exit code.
 */
#ifndef ZKQ_CLI_INFO_H
#define ZKQ_CLI_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/jsonout.h"
#include "base/table.h"
#include "zkq.h"

#define INFO_TEXT 256

/* Exit code of a command that exits as the task did: its code, 128 + signal; EXIT_OURS when it ended without either
 * (cancelled before its start, lost, dead letter). */
int info_exit(const struct zkq_info *info);
/* How it ended or why it waits, in a few words: "exit 2", "signal 9 (Killed)", "exit 143, time limit". */
const char *info_outcome(const struct zkq_info *info, char buffer[INFO_TEXT]);
/* State in upper case. */
const char *info_state(const struct zkq_info *info, char buffer[32]);
/* SGR number for the state, 0 = none. */
int info_color(const struct zkq_info *info);
/* Last line of the output, without its end; "" when there is none. To be freed. */
char *info_last_line(const struct zkq_info *info);
/* A line about it. */
void info_print_line(const struct zkq_info *info);
/* Members of the open JSON object. */
void info_json(struct jsonout *json, const struct zkq_info *info);
/* Members for an id about which there is no info. */
void info_json_error(struct jsonout *json, const char *id, int error);
/* "2026-11-20 08:31:02", local time or UTC as asked for. */
const char *info_time(int64_t wall_ms, char buffer[32]);

/* {"schema":..., "time":...,"items":[ ; end the items with jsonout_end() and all with info_json_finish(). It is held back
 * until then, so that a call that fails prints the error object alone. */
void info_json_begin(struct jsonout *json, const char *schema);
/* Ends the object, prints it when print is true, and forgets it. */
void info_json_finish(struct jsonout *json, bool print);
/* A line of a stream: {"schema":..., ; end with jsonout_end(). */
void info_json_line(struct jsonout *json, const char *schema);

/* An answer that is needed after the callback has returned: its texts are its own. */
struct info_kept {
	int error;
	struct zkq_info info;	/* when error is ZKQ_OK; without json */
};
void info_keep(struct info_kept *kept, int error, const struct zkq_info *info);
void info_forget(struct info_kept *kept);

/* Lists of tasks: their columns, and a row. */
#define INFO_COLUMNS 18
extern const struct table_column info_columns[];
void info_row(struct table *table, const struct zkq_info *info);

#endif
