#include "zk/mailbox.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
	pthread_mutex_t lock;	/* of all below but fd */
	struct message *first, **end;
	bool lost;
	bool closed;		/* the owner is gone; only threads of mailbox_run() are left */
	int threads;		/* of mailbox_run() */
	int fd;
};

struct errand {
	struct mailbox *box;
	void (*work)(struct message *);
	void (*dispose)(struct message *);
	struct message *message;
};

struct mailbox *
mailbox_new(void)
{
	struct mailbox *box = calloc(1, sizeof *box);

	if (!box)
		return NULL;
	box->end = &box->first;
	box->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (box->fd < 0)
		goto free_box;
	if (pthread_mutex_init(&box->lock, NULL) != 0)
		goto close_fd;
	return box;

close_fd:
	close(box->fd);
free_box:
	free(box);
	return NULL;
}

static void
destroy(struct mailbox *box)
{
	pthread_mutex_destroy(&box->lock);
	close(box->fd);
	free(box);
}

struct message *
mailbox_free(struct mailbox *box)
{
	if (!box)
		return NULL;
	pthread_mutex_lock(&box->lock);
	struct message *left = box->first;
	box->closed = true;
	bool last = box->threads == 0;
	pthread_mutex_unlock(&box->lock);
	if (last)
		destroy(box);
	return left;
}

int
mailbox_fd(const struct mailbox *box)
{
	return box->fd;
}

void
mailbox_wake(struct mailbox *box)
{
	uint64_t one = 1;

	/* It can only fail when the counter is full: then the descriptor is readable already. */
	ssize_t written = write(box->fd, &one, sizeof one);
	(void)written;
}

/* With the lock. */
static void
append(struct mailbox *box, struct message *message)
{
	bool was_empty = !box->first;

	message->next = NULL;
	*box->end = message;
	box->end = &message->next;
	/* Under the lock: once it is released, an owner that polls may take the message and free the box. */
	if (was_empty)
		mailbox_wake(box);
}

void
mailbox_post(struct mailbox *box, struct message *message)
{
	pthread_mutex_lock(&box->lock);
	append(box, message);
	pthread_mutex_unlock(&box->lock);
}

void
mailbox_lose(struct mailbox *box)
{
	pthread_mutex_lock(&box->lock);
	box->lost = true;
	mailbox_wake(box);
	pthread_mutex_unlock(&box->lock);
}

bool
mailbox_lost(struct mailbox *box)
{
	pthread_mutex_lock(&box->lock);
	bool lost = box->lost;
	box->lost = false;
	pthread_mutex_unlock(&box->lock);
	return lost;
}

struct message *
mailbox_take(struct mailbox *box)
{
	uint64_t count;

	/* Quiet first, take then: what is posted in between makes it readable again. */
	ssize_t got = read(box->fd, &count, sizeof count);
	(void)got;
	pthread_mutex_lock(&box->lock);
	struct message *first = box->first;
	box->first = NULL;
	box->end = &box->first;
	pthread_mutex_unlock(&box->lock);
	return first;
}

static void *
run(void *context)
{
	struct errand errand = *(struct errand *)context;
	struct mailbox *box = errand.box;

	free(context);
	errand.work(errand.message);
	pthread_mutex_lock(&box->lock);
	box->threads--;
	bool closed = box->closed, last = closed && box->threads == 0;
	if (!closed)
		append(box, errand.message);
	pthread_mutex_unlock(&box->lock);
	if (closed)
		errand.dispose(errand.message);
	if (last)
		destroy(box);
	return NULL;
}

/* The thread takes no signals: they belong to the loop. */
static bool
start_detached(struct errand *errand)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, before;

	if (pthread_attr_init(&attributes) != 0)
		return false;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&thread, &attributes, run, errand);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return error == 0;
}

bool
mailbox_run(struct mailbox *box, void (*work)(struct message *message), void (*dispose)(struct message *message),
    struct message *message)
{
	struct errand *errand = malloc(sizeof *errand);

	if (!errand)
		return false;
	*errand = (struct errand){ box, work, dispose, message };
	pthread_mutex_lock(&box->lock);
	box->threads++;
	pthread_mutex_unlock(&box->lock);
	if (start_detached(errand))
		return true;
	pthread_mutex_lock(&box->lock);
	box->threads--;
	pthread_mutex_unlock(&box->lock);
	free(errand);
	return false;
}
