#include "config.h"

#include "daemon/options.h"

#include <stdio.h>
#include "base/exits.h"
#include "base/log.h"
#include "io/self.h"

#define FILES_MIN 64	/* with fewer helpers and sessions fail now and then, and libevent ends a program with words of its own */

struct daemon_options daemon_options;

static struct {
	const char *zk, *root, *auth_file, *config;
	enum log_level log_level;
	enum log_format log_format;
	bool verbose, quiet;
} wanted;

static const char *
check_zk(const char *text)
{
	char hosts[HOSTS_SIZE], root[ROOT_MAX + 1];

	return connect_string_split(text, "/zkq", hosts, sizeof hosts, root, sizeof root) ? NULL :
	    "not HOST[:PORT],...[/PATH]";
}

static const char *
check_root(const char *text)
{
	return root_ok(text) ? NULL : "not an absolute path like /zkq";
}

const struct option_row daemon_zk_rows[] = {
	{ .letter = 'z', .name = "zk", .argument = "HOSTS", .kind = OPTION_TEXT, .into = &wanted.zk,
	    .preset = "127.0.0.1:2181", .env = "ZKQ_ZK", .section = "zookeeper", .check = check_zk,
	    .help = "ZooKeeper servers, separated by commas" },
	{ .name = "root", .argument = "PATH", .kind = OPTION_TEXT, .into = &wanted.root, .preset = "/zkq", .env = "ZKQ_ROOT",
	    .section = "zookeeper", .check = check_root, .help = "root of the tree" },
	{ .name = "auth-file", .argument = "FILE", .kind = OPTION_TEXT, .into = &wanted.auth_file,
	    .env_instead = "ZKQ_AUTH", .section = "zookeeper",
	    .help = "file that holds digest:USER:PASSWORD (default: $ZKQ_AUTH, else none)" },
	{ 0 },
};

const struct option_row daemon_common_rows[] = {
	{ .name = "log-level", .argument = "LEVEL", .kind = OPTION_LEVEL, .into = &wanted.log_level, .preset = "info",
	    .section = "log", .live = true, .help = "error, warning, info or debug; -q and -v go before" },
	{ .name = "log-format", .argument = "FORMAT", .kind = OPTION_FORMAT, .into = &wanted.log_format, .preset = "text",
	    .section = "log", .live = true, .help = "text, or json: one object a line" },
	{ .letter = 'c', .name = "config", .argument = "FILE", .kind = OPTION_CONFIG, .into = &wanted.config,
	    .env = "ZKQ_CONFIG", .help = "the only configuration file to read, see zkq.conf(5)" },
	{ .name = "check-config", .kind = OPTION_FLAG, .into = &daemon_options.check,
	    .help = "check options and files, print what is in effect, and exit" },
	{ .letter = 'q', .name = "quiet", .kind = OPTION_FLAG, .into = &wanted.quiet, .help = "log warnings and errors only" },
	{ .letter = 'v', .name = "verbose", .kind = OPTION_FLAG, .into = &wanted.verbose, .help = "log more" },
	{ .name = "help", .kind = OPTION_HELP, .help = "print this help and exit" },
	{ .name = "version", .kind = OPTION_VERSION, .help = "print the version and exit" },
	{ 0 },
};

static void
set_log(void)
{
	log_set_level(wanted.quiet ? LEVEL_WARNING : wanted.verbose ? LEVEL_DEBUG : wanted.log_level);
	log_set_format(wanted.log_format);
}

int
daemon_options_parse(const struct options *command, int argc, char **argv)
{
	int operand = options_parse(command, argc, argv);

	if (operand == OPTIONS_DONE)
		return EXIT_OK;
	if (operand == OPTIONS_WRONG)
		return EXIT_USAGE;
	if (operand == OPTIONS_WRONG_FILE)
		return EXIT_CONFIG;
	if (operand < argc) {
		options_wrong(command, "%s: no operand is expected", argv[operand]);
		return EXIT_USAGE;
	}
	log_open(command->program, LEVEL_INFO);
	set_log();
	return -1;
}

int
daemon_options_read(const struct options *command, const char *who, bool with_credential)
{
	struct daemon_options *options = &daemon_options;
	char why[512];

	if (!connect_string_split(wanted.zk, wanted.root, options->hosts, sizeof options->hosts, options->root,
	    sizeof options->root)) {
		options_wrong(command, "--zk: %s: not HOST[:PORT],...[/PATH]", wanted.zk);
		return EXIT_USAGE;
	}
	if (!with_credential)
		return -1;
	if (credential_read(wanted.auth_file, options->auth, why, sizeof why) != EXIT_OK) {
		log_error("%s: %s", who, why);
		return EXIT_CONFIG;
	}
	if (self_files() < FILES_MIN) {
		log_error("%s: no more than %d files may be open, %d are needed: raise ulimit -n or LimitNOFILE=", who, self_files(), FILES_MIN);
		return EXIT_SYSTEM;
	}
	return -1;
}

void
daemon_options_print(const struct options *command, FILE *out)
{
	credential_print(wanted.auth_file, daemon_options.auth, out);
	options_print_effective(command, out);
}

bool
daemon_options_reload(const struct options *command)
{
	if (!options_reload(command))
		return false;
	set_log();
	return true;
}
