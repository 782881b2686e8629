/*
 * cgroup.h: control groups (version 2) below our own, one per task, where the system lets us make them. Nothing that
 * a task starts gets out of its group, whatever it does with sessions and environments.
 */
#ifndef ZKQ_IO_CGROUP_H
#define ZKQ_IO_CGROUP_H

#include <stdbool.h>

struct cgroup;

/* Makes a group named name below our own. NULL when that cannot be done (no version 2, not delegated, no cgroup.kill). */
struct cgroup *cgroup_new(const char *name);
/* Removes the group when it is empty. */
void cgroup_free(struct cgroup *cgroup);
/* Makes the sub-group child; returns a descriptor for spawn.cgroup_fd, to be closed by the caller, or -1. */
int cgroup_make(struct cgroup *cgroup, const char *child);
/* SIGKILL to all in it. */
void cgroup_kill(struct cgroup *cgroup, const char *child);
/* Removes it; false while something still runs in it. */
bool cgroup_remove(struct cgroup *cgroup, const char *child);
/* Kills all that is left in the group name of a dead life and its sub-groups and removes it. True when it is gone or
 * never was. */
bool cgroup_sweep(const char *name);

#endif
