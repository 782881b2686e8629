/*
 * note.h: what a step function notes, in the log.
 */
#ifndef ZKQ_DAEMON_NOTE_H
#define ZKQ_DAEMON_NOTE_H

struct effect;

/* Carries out FX_NOTE. */
void note_log(const struct effect *effect);

#endif
