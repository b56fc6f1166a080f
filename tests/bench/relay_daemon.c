/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay_daemon.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "address.h"

/* --- CPU time --------------------------------------------------------------------------------- */

static double task_ns(const char *path)
{
	unsigned long long ns = 0;
	FILE *f = fopen(path, "r");

	if (f && fscanf(f, "%llu", &ns) != 1)
		ns = 0;
	if (f)
		fclose(f);
	return (double)ns;
}

static bool next_number(DIR *dir, const char **ret_name)
{
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9') {
			*ret_name = e->d_name;
			return true;
		}
	if (dir)
		closedir(dir);
	return false;
}

/* A line of a file of /proc without its key; "" where there is none. */
static void read_line(const char *path, const char *key, char *ret, size_t room)
{
	FILE *f = fopen(path, "r");
	char line[256];

	*ret = '\0';
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key))) {
			line[strcspn(line, "\n")] = '\0';
			snprintf(ret, room, "%s", line + strlen(key));
			break;
		}
	if (f)
		fclose(f);
}

double relay_cpu_ns(pid_t pid)
{
	return relay_thread_cpu_ns(pid, NULL);
}

double relay_thread_cpu_ns(pid_t pid, const char *name)
{
	char path[300], comm[32];
	const char *task;
	double sum = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	for (dir = opendir(path); next_number(dir, &task);) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.31s/comm", (int)pid, task);
		read_line(path, "", comm, sizeof(comm));
		if (name && strcmp(name, comm))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.31s/schedstat", (int)pid, task);
		sum += task_ns(path);
	}
	return sum;
}

double relay_ksoftirqd_cpu_ns(void)
{
	static char found[64][32];
	static size_t n_found;
	char path[300], name[32];
	const char *process;
	double sum = 0;

	if (!n_found)
		for (DIR *dir = opendir("/proc"); next_number(dir, &process);) {
			snprintf(path, sizeof(path), "/proc/%.31s/comm", process);
			read_line(path, "ksoftirqd", name, sizeof(name));
			if (*name && n_found < INLAY_ARRAY_SIZE(found))
				snprintf(found[n_found++], sizeof(found[0]), "%.31s", process);
		}
	for (size_t i = 0; i < n_found; i++) {
		snprintf(path, sizeof(path), "/proc/%.31s/schedstat", found[i]);
		sum += task_ns(path);
	}
	return sum;
}

double relay_memory_bytes(pid_t pid, bool shared)
{
	char path[64], value[64];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	read_line(path, shared ? "RssShmem:" : "RssAnon:", value, sizeof(value));
	return 1024 * strtod(value, NULL);
}

void relay_print_threads(pid_t pid)
{
	char path[300], name[32], cpus[64];
	const char *task;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	for (dir = opendir(path); next_number(dir, &task);) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.31s/comm", (int)pid, task);
		read_line(path, "", name, sizeof(name));
		snprintf(path, sizeof(path), "/proc/%d/task/%.31s/status", (int)pid, task);
		read_line(path, "Cpus_allowed_list:\t", cpus, sizeof(cpus));
		printf("  thread %-16s CPU %s\n", name, cpus);
	}
}

/* --- Life ------------------------------------------------------------------------------------- */

void relay_daemon_find(const char *name, char *ret_path, size_t room)
{
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	if (strrchr(self, '/'))
		*strrchr(self, '/') = '\0';
	snprintf(ret_path, room, "%s/%s", self, name);
}

static int write_config(struct relay_daemon *r, const struct relay_daemon_config *config)
{
	int fd;

	snprintf(r->config, sizeof(r->config), "/tmp/inlay-bench-XXXXXX");
	fd = mkstemp(r->config);
	if (fd < 0)
		return -errno;
	dprintf(fd, "control_socket: %s.sock\n%s", r->config, config->yaml);
	close(fd);
	return 0;
}

static void run_inlayd(const struct relay_daemon *r, const struct relay_daemon_config *config,
		       int err)
{
	sched_setaffinity(0, sizeof(config->cpus), &config->cpus);
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* it removes what it made */
	dup2(err, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execl(config->inlayd, "inlayd", "--dev", "--config", r->config, (char *)NULL);
	dprintf(STDERR_FILENO, "%s: %s\n", config->inlayd, strerror(errno));
	_exit(1);
}

/* Where it listens, from what it says on standard error. */
static int read_address(int fd, struct inlay_addr *ret)
{
	static const char mark[] = "listening on ";
	char text[2048], *at = NULL, *end;
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(text) - 1 && (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0) {
		len += (size_t)n;
		text[len] = '\0';
		at = strstr(text, mark);
		end = at ? strchr(at, '\n') : NULL;
		if (!end)
			continue;
		*end = '\0';
		return inlay_address_parse(at + strlen(mark), ret);
	}
	fprintf(stderr, "bench: inlayd does not start: %.*s\n", (int)len, text);
	return -EIO;
}

int relay_daemon_start(struct relay_daemon *r, const struct relay_daemon_config *config)
{
	int fds[2], ret;

	*r = (struct relay_daemon){0};
	ret = write_config(r, config);
	if (ret || pipe(fds))
		return ret ? ret : -errno;
	r->pid = fork();
	if (r->pid == 0)
		run_inlayd(r, config, fds[1]);
	close(fds[1]);
	ret = r->pid > 0 ? read_address(fds[0], &r->addr) : -errno;
	/* It has read it; so nothing is left of it whatever becomes of us. */
	unlink(r->config);
	/* Its messages fit into the pipe; reading on is not needed, closing would kill it. */
	r->messages = fds[0];
	return ret;
}

void relay_daemon_stop(struct relay_daemon *r)
{
	if (r->pid > 0) {
		kill(r->pid, SIGTERM);
		for (int i = 0; i < 200 && !waitpid(r->pid, NULL, WNOHANG); i++)
			poll(NULL, 0, 10);
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
	}
	if (r->messages > 0)
		close(r->messages);
	if (*r->config)
		unlink(r->config);
	*r = (struct relay_daemon){0};
}
