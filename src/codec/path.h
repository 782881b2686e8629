/*
 * path.h: the spelling of znode paths, names and ids. The only place that knows it.
 */
#ifndef ZKQ_CODEC_PATH_H
#define ZKQ_CODEC_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "core/arena.h"
#include "core/node.h"
#include "core/submitter.h"

/* Room for any path of ours below a root of at most ROOT_MAX bytes. */
#define ROOT_MAX 256
#define PATH_BUFFER 1024

/* Writes the path of node below root ("/zkq", "" is not a root) with its NUL. For a node that will be
 * created with CREATE_SEQUENCE give sequence = true: the ten digits are left out.
 * Returns the length, or -1 when it does not fit or a name in it breaks its grammar. */
int path_write(const char *root, const struct node *node, bool sequence, char *buffer, size_t size);

/* Reads an absolute path. False when it is not of this tree (node is then unspecified).
 * node->text points into path. */
bool path_parse(const char *root, const char *path, struct node *node);

/* Reads the name of a child of folder. Always gives a node: NODE_STRANGER with text = name when the
 * name does not belong there. node->text points to name. */
void name_parse(const struct node *folder, const char *name, struct node *node);

/* Grammar checks. */
bool queue_name_ok(const char *name);		/* [a-z0-9][a-z0-9_-]{0,31} */
bool worker_name_ok(const char *name);		/* [A-Za-z0-9][A-Za-z0-9_-]{0,63}: no dot, it ends the name in assign/ */
bool path_ok(const char *path);			/* whatever ZooKeeper takes, "/" too; the client library aborts on others */
bool root_ok(const char *root);			/* "/a" or "/a/b" ..., no trailing slash, no empty or dot parts, not in /zookeeper */

/* Ids: <queue>.<seg>.<token>. */
#define ID_MAX (QUEUE_NAME_MAX + 1 + 10 + 1 + TOKEN_MAX)
bool id_parse(const char *text, struct task_id *id);
void id_write(const struct task_id *id, char buffer[ID_MAX + 1]);

/* A fence as its 32 hex digits. */
void fence_write(struct fence fence, char buffer[33]);
bool fence_parse(const char *text, struct fence *fence);

/* Splits "host:port,host:port/chroot" and R: the chroot becomes the prefix of the root (with a real
 * chroot the client library makes multis abort). Writes the hosts without chroot and the whole root.
 * False when either is malformed or too long. */
bool connect_string_split(const char *connect, const char *root, char *hosts, size_t hosts_size, char *whole_root,
    size_t root_size);

#endif
