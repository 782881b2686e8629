/*
 * handle.h: what the files of libzkq share.
 *
 * A handle drives one submitter (core/submitter.h) over one link (zk/link.h). Submit, wait and cancel are
 * calls to the submitter; everything that only reads (get, list, workers ...) is a series of pipelined
 * requests of the library's own (reads.h). Calls are queued and begun inside zkq_dispatch(), so that no
 * callback ever runs inside the call that asked for it.
 */
#ifndef ZKQ_LIB_HANDLE_H
#define ZKQ_LIB_HANDLE_H

#include <poll.h>

#include "codec/json.h"
#include "codec/path.h"
#include "core/plan.h"
#include "core/submitter.h"
#include "zk/link.h"
#include "zkq.h"

#define CALL_BUCKETS 256
/* A read that could not be sent or whose answer was lost is sent again after this, if still connected. */
#define READ_AGAIN_MS 50

struct job;
struct query;
struct reads;

/* One request of a crew (crew.h). */
struct job {
	struct job *prev, *next;
	struct crew *crew;		/* NULL: nobody waits for the answer */
	struct zkq *handle;
	struct raw_request *request;
	uint64_t arg;
	bool sent, repeated;
};

/* One call to the submitter: count answers, each to the caller's index. */
struct pending {
	struct pending *next;
	struct call call;
	struct arena arena;	/* tasks or ids, index, answered */
	int count;		/* callbacks promised */
	int left;		/* not given yet */
	bool *answered;		/* [count] */
	int *index;		/* of the call's tasks or ids: the caller's index; NULL = the same */
	int *refused;		/* [count] error known beforehand, or NULL */
	bool begun;
	zkq_submit_fn *on_submit;	/* CALL_SUBMIT */
	zkq_info_fn *on_info;		/* CALL_WAIT */
	/* CALL_CANCEL, and whoever wants the answer as it is; then the two above are not called. answer is NULL
	 * when the handle ends: error says how. */
	void (*on_answer)(void *context, int index, int error, const struct answer *answer);
	void *context;
};

struct zkq {
	struct link *link;
	struct submitter *submitter;
	char *hosts, *root, *by;
	char *chroot;		/* of the connect string: the beginning of root, "" = none */
	bool connected;
	bool ever_connected;
	bool inside;		/* in zkq_dispatch() */
	bool broken;		/* memory ran out in the middle: nothing more is begun */
	bool closing;
	int64_t wake_ms;	/* when the submitter wants a tick */
	struct plan plan;
	struct pending *queued, **queued_last;
	struct pending *calls[CALL_BUCKETS];
	uint64_t calls_drawn;
	struct reads *reads;	/* all that are under way */
	struct query *queries;	/* in the order asked */
	uint32_t reads_drawn;
	int64_t reads_again_ms;
	int64_t session_id;	/* of the last connection */
	int session_timeout_ms;	/* as negotiated */
	int asked_timeout_ms;	/* of the servers */
	struct job *orphans;	/* whose crew was disbanded: their answers are still to come (crew.h) */
	char text[512];
	char trouble[160];	/* why there is no connection, when that is known */
};

/* A deadline of link_now_ms(): NEVER when timeout_ms < 0. */
int64_t deadline_after(int timeout_ms);
#define EXTRA_MAX 2
/* Waits until something happens on the handle, or on one of the count descriptors of extra, and does what is
 * due on the handle. False: the deadline had passed before. */
bool handle_turn(struct zkq *handle, int64_t deadline_ms, struct pollfd *extra, int count);
/* What it means that a deadline passed: ZKQ_EUNREACHABLE without a session, else ZKQ_ETIMEOUT. */
int handle_late(const struct zkq *handle);

/* A call of this kind with room for count answers; NULL when memory runs out. */
struct pending *pending_new(enum call_kind kind, int count);
void pending_free(struct pending *pending);
/* Takes the call over: it will be begun by the next zkq_dispatch(). Returns its number. */
uint64_t handle_call(struct zkq *handle, struct pending *pending);
/* Gives the call up: callbacks that are still owed come in here (submit only: nothing sent, or unknown). */
void handle_forget(struct zkq *handle, uint64_t call_id);

/* The error for a refusal. */
int error_of_refusal(const struct answer *answer);
int error_of_rc(enum rc rc);

#endif
