/* SPDX-License-Identifier: BSD-2-Clause */
#include "turn_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "relay_daemon.h"
#include "turn_client.h"

#define START_MS 10000

static void print_addr(char ret[16], const struct inlay_addr *a)
{
	snprintf(ret, 16, "%u.%u.%u.%u", a->ip[0], a->ip[1], a->ip[2], a->ip[3]);
}

/* A child with its output in a file of the scratch folder. */
static pid_t start(const struct turn_server *s, const cpu_set_t *cpus, const char *const *words)
{
	char log[128];
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sched_setaffinity(0, sizeof(*cpus), cpus);
	snprintf(log, sizeof(log), "%s/log", s->scratch);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execvp(words[0], (char *const *)(uintptr_t)words);
	dprintf(STDERR_FILENO, "%s: %s\n", words[0], strerror(errno));
	_exit(1);
}

static int start_coturn(struct turn_server *s, const struct turn_server_config *c)
{
	char listening[16], relay[16], database[96], pid[96], port[8];
	const char *words[] = {"turnserver",
			       "-n", /* no configuration file */
			       "--listening-ip",
			       listening,
			       "--relay-ip",
			       relay,
			       "--listening-port",
			       port,
			       "--relay-threads",
			       "1",
			       "--lt-cred-mech",
			       "--user",
			       TURN_CLIENT_USER ":" TURN_CLIENT_PASSWORD,
			       "--realm",
			       TURN_CLIENT_REALM,
			       "--no-tcp",
			       "--no-tls",
			       "--no-dtls",
			       "--no-cli",
			       "--no-rfc5780",
			       "--log-file",
			       "stdout",
			       "--userdb",
			       database,
			       "--pidfile",
			       pid,
			       NULL};

	print_addr(listening, &c->net->net.relay[TURN_CLIENT]);
	print_addr(relay, &c->net->net.relay[TURN_PEER]);
	snprintf(database, sizeof(database), "%s/turndb", s->scratch);
	snprintf(pid, sizeof(pid), "%s/pid", s->scratch);
	snprintf(port, sizeof(port), "%d", TURN_SERVER_PORT);
	s->coturn = start(s, &c->cpus, words);
	return s->coturn > 0 ? 0 : -errno;
}

/* --- inlay-turn ------------------------------------------------------------------------------- */

static int write_config(const struct turn_server *s, const struct turn_server_config *c)
{
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "%s/inlay.yaml", s->scratch);
	f = fopen(path, "w");
	if (!f)
		return -errno;
	fprintf(f, "control_socket: %s/inlay.sock\nobject: %s/bpf/turn.bpf.o\nattach: %s\n",
		s->scratch, c->build, c->attach);
	return fclose(f) ? -errno : 0;
}

static void show_log(const struct turn_server *s)
{
	char line[256], path[96];
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", s->scratch);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "inlay"))
			fputs(line, stderr);
	if (f)
		fclose(f);
}

/* It stands where it is to stand when its control socket is there. */
static int wait_for_inlay(struct turn_server *s)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/inlay.sock", s->scratch);
	for (int i = 0; i < START_MS / 10; i++) {
		if (!access(path, F_OK))
			return 0;
		if (waitpid(s->inlay, NULL, WNOHANG)) {
			s->inlay = 0;
			break;
		}
		poll(NULL, 0, 10);
	}
	fprintf(stderr, "bench: inlay-turn does not start\n");
	show_log(s);
	return -EIO;
}

static int start_inlay(struct turn_server *s, const struct turn_server_config *c)
{
	char program[512], config[96];
	const char *words[] = {program, "--config", config, NULL};
	int ret = write_config(s, c);

	if (ret)
		return ret;
	snprintf(program, sizeof(program), "%s/inlay-turn", c->build);
	snprintf(s->inlayctl, sizeof(s->inlayctl), "%s/inlayctl", c->build);
	snprintf(config, sizeof(config), "%s/inlay.yaml", s->scratch);
	s->inlay = start(s, &c->cpus, words);
	return s->inlay > 0 ? wait_for_inlay(s) : -errno;
}

int turn_server_fast(const struct turn_server *s)
{
	char command[700];
	json_t *told, *channel;
	int n = 0;
	size_t i;
	FILE *f;

	snprintf(command, sizeof(command), "%s --socket %s/inlay.sock turn --json", s->inlayctl,
		 s->scratch);
	f = popen(command, "r");
	if (!f)
		return -1;
	told = json_loadf(f, 0, NULL);
	if (pclose(f) || !told) {
		json_decref(told);
		return -1;
	}
	json_array_foreach(json_object_get(told, "channels"), i, channel) n +=
		!json_is_true(json_object_get(channel, "watched"));
	json_decref(told);
	return n;
}

/* --- Life ------------------------------------------------------------------------------------- */

int turn_server_start(struct turn_server *s, const struct turn_server_config *config)
{
	int ret;

	*s = (struct turn_server){.scratch = "/tmp/inlay-bench-XXXXXX"};
	if (!mkdtemp(s->scratch)) {
		*s->scratch = '\0';
		return -errno;
	}
	ret = start_coturn(s, config);
	return ret || !config->build ? ret : start_inlay(s, config);
}

static void end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGTERM);
	for (int i = 0; i < 200; i++) {
		if (waitpid(pid, NULL, WNOHANG))
			return;
		poll(NULL, 0, 10);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

void turn_server_stop(struct turn_server *s)
{
	static const char *const files[] = {"log", "turndb", "pid", "inlay.sock", "inlay.yaml"};
	char path[128];

	end(s->inlay);
	end(s->coturn);
	for (size_t i = 0; *s->scratch && i < INLAY_ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", s->scratch, files[i]);
		unlink(path);
	}
	if (*s->scratch)
		rmdir(s->scratch);
	*s = (struct turn_server){0};
}

double turn_server_cpu_ns(const struct turn_server *s)
{
	return (s->coturn > 0 ? relay_cpu_ns(s->coturn) : 0) +
	       (s->inlay > 0 ? relay_cpu_ns(s->inlay) : 0);
}
