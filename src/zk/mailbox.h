/*
 * mailbox.h: where other threads leave messages for the loop. The only file that knows threads.
 *
 * Any thread posts; one thread, the owner's, takes. The descriptor is readable while messages wait.
 */
#ifndef ZKQ_ZK_MAILBOX_H
#define ZKQ_ZK_MAILBOX_H

#include <stdbool.h>

struct mailbox;

/* First member of whatever is posted. */
struct message {
	struct message *next;
};

/* NULL when memory or descriptors run out. */
struct mailbox *mailbox_new(void);
/* Returns the messages that were not taken. A thread of mailbox_run() that still works disposes of its message
 * itself. NULL is harmless. */
struct message *mailbox_free(struct mailbox *box);
int mailbox_fd(const struct mailbox *box);
/* Appends; the box borrows message until it is taken. Never blocks for long, never fails. Any thread. */
void mailbox_post(struct mailbox *box, struct message *message);
/* Makes the descriptor readable without a message. Any thread. */
void mailbox_wake(struct mailbox *box);
/* Notes that a message could not even be made; the owner asks mailbox_lost(). Any thread. */
void mailbox_lose(struct mailbox *box);
/* Whether that has happened since the last call. */
bool mailbox_lost(struct mailbox *box);
/* Quiets the descriptor and returns all messages, oldest first, or NULL. */
struct message *mailbox_take(struct mailbox *box);

/* Runs work(message) on a thread of its own, which may block there as long as it likes, and posts message after
 * that; when the box has been freed meanwhile, dispose(message) is called instead, on that thread. False when no
 * thread can be had: message is still the caller's. */
bool mailbox_run(struct mailbox *box, void (*work)(struct message *message), void (*dispose)(struct message *message),
    struct message *message);

#endif
