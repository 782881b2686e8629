/*
 * growth.h: tells when files grow.
 */
#ifndef ZKQ_IO_GROWTH_H
#define ZKQ_IO_GROWTH_H

struct event_base;
struct growth;

/* grown is called in the loop with the number that growth_watch() gave. NULL when the system refuses. */
struct growth *growth_new(struct event_base *base, void (*grown)(void *context, int number), void *context);
void growth_free(struct growth *growth);
/* Watches the file open as fd; the same file has the same number. -1 with errno. */
int growth_watch(struct growth *growth, int fd);
/* Ends it, for all who watch that file. */
void growth_forget(struct growth *growth, int number);

#endif
