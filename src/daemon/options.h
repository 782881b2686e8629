/*
 * options.h: the options that both daemons have, and what is made of them.
 */
#ifndef ZKQ_DAEMON_OPTIONS_H
#define ZKQ_DAEMON_OPTIONS_H

#include <stdbool.h>

#include "base/credential.h"
#include "base/options.h"
#include "codec/path.h"

#define HOSTS_SIZE 2048
#define SESSION_MIN_MS 500
#define SESSION_MAX_MS (10 * 60 * 1000)

struct daemon_options {
	char hosts[HOSTS_SIZE];		/* servers without a path */
	char root[ROOT_MAX + 1];	/* whole path below which the tree lies */
	char auth[CREDENTIAL_SIZE];	/* "" = none */
	bool check;			/* --check-config */
};

extern struct daemon_options daemon_options;

/* The tables to put before and after the daemon's own rows in struct options. */
extern const struct option_row daemon_zk_rows[], daemon_common_rows[];

/* Parses the command line and opens the log. -1 = go on, else the exit code. */
int daemon_options_parse(const struct options *command, int argc, char **argv);
/* Fills daemon_options; who begins its line of the log: "worker w1". The credential is read, and limits are looked at, only for those
 * who talk to ZooKeeper.
 * -1 = go on, else the exit code. */
int daemon_options_read(const struct options *command, const char *who, bool with_credential);
/* What is in effect, for --check-config; behind daemon_options_read() with the credential. */
void daemon_options_print(const struct options *command, FILE *out);
/* Reads the configuration files again and sets the log. False: they are wrong, and nothing has changed. */
bool daemon_options_reload(const struct options *command);

#endif
