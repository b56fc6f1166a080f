/* SPDX-License-Identifier: BSD-2-Clause */
/* The folder of profiles, and which of them a device is of. */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profile.h"

#define SUFFIX ".yaml"

/* --- Matching --------------------------------------------------------------------------------- */

static bool any_fits(const char patterns[][INLAY_NIC_PATTERN], size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (!fnmatch(patterns[i], text, 0))
			return true;
	return false;
}

static bool names(const char patterns[][INLAY_NIC_PATTERN], size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(patterns[i], "*") && !fnmatch(patterns[i], text, 0))
			return true;
	return false;
}

static bool is_known(const char *text)
{
	return text && *text;
}

bool inlay_nic_profile_firmware_fits(const struct inlay_nic_profile *profile,
				     const struct inlay_nic_identity *identity)
{
	return !*profile->match.firmware || !is_known(identity->firmware) ||
	       !fnmatch(profile->match.firmware, identity->firmware, 0);
}

__u32 inlay_nic_profile_match(const struct inlay_nic_profile *profile,
			      const struct inlay_nic_identity *identity)
{
	const struct inlay_nic_match *m = &profile->match;
	const char *driver = identity->driver ? identity->driver : "";
	__u32 score;

	if (!any_fits(m->drivers, m->n_drivers, driver))
		return 0;
	score = names(m->drivers, m->n_drivers, driver) ? 16 : 1;
	if (m->n_pci) {
		bool found = false;

		for (size_t i = 0; i < m->n_pci; i++)
			found |= m->pci[i].vendor == identity->pci_vendor &&
				 m->pci[i].device == identity->pci_device;
		if (!found)
			return 0;
		score += 8;
	}
	/* A board that the device does not tell speaks for no profile, and against none. */
	if (m->n_boards && is_known(identity->board)) {
		if (!any_fits(m->boards, m->n_boards, identity->board))
			return 0;
		score += 4;
	}
	if (*m->firmware && is_known(identity->firmware))
		score += inlay_nic_profile_firmware_fits(profile, identity);
	return score;
}

const struct inlay_nic_profile *inlay_nic_profiles_best(const struct inlay_nic_profiles *profiles,
							const struct inlay_nic_identity *identity)
{
	const struct inlay_nic_profile *best = NULL;
	__u32 best_score = 0;

	for (size_t i = 0; i < profiles->n; i++) {
		__u32 score = inlay_nic_profile_match(profiles->list[i], identity);

		if (score > best_score) {
			best_score = score;
			best = profiles->list[i];
		}
	}
	return best;
}

/* --- The folder ------------------------------------------------------------------------------- */

void inlay_nic_profiles_folder(char ret_path[4096])
{
	const char *set = getenv("INLAY_NIC_PROFILES");
	char self[2048];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (set && *set) {
		snprintf(ret_path, 4096, "%s", set);
		return;
	}
	self[len > 0 ? len : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash) {
		snprintf(ret_path, 4096, "%.*s/nic-profiles", (int)(slash - self), self);
		if (!access(ret_path, R_OK | X_OK))
			return;
	}
	snprintf(ret_path, 4096, "%s", INLAY_NIC_PROFILES_INSTALLED);
}

static bool is_profile(const char *name)
{
	size_t len = strlen(name);

	return *name != '.' && len > strlen(SUFFIX) && !strcmp(name + len - strlen(SUFFIX), SUFFIX);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
	char *list[INLAY_NIC_PROFILES];
	size_t n;
};

static void names_fini(struct names *found)
{
	for (size_t i = 0; i < found->n; i++)
		free(found->list[i]);
	found->n = 0;
}

/* The profiles' files in |folder|, sorted. */
static int list_folder(const char *folder, struct names *found, char err[INLAY_NIC_ERROR])
{
	DIR *dir = opendir(folder);
	struct dirent *d;
	int ret = 0;

	if (!dir) {
		ret = -errno;
		snprintf(err, INLAY_NIC_ERROR,
			 "no NIC profiles in %.400s: %s; set INLAY_NIC_PROFILES to their folder",
			 folder, strerror(-ret));
		return ret;
	}
	while (!ret && (d = readdir(dir))) {
		if (!is_profile(d->d_name))
			continue;
		if (found->n == INLAY_NIC_PROFILES)
			ret = -E2BIG;
		else if (!(found->list[found->n] = strdup(d->d_name)))
			ret = -ENOMEM;
		else
			found->n++;
	}
	closedir(dir);
	if (ret) {
		snprintf(err, INLAY_NIC_ERROR, "%.400s: %s", folder,
			 ret == -E2BIG ? "more profiles than are taken" : "out of memory");
		names_fini(found);
		return ret;
	}
	qsort(found->list, found->n, sizeof(found->list[0]), by_name);
	return 0;
}

/* A profile is what its file is named, or nobody finds it. */
static int load_named(const char *folder, const char *file, struct inlay_nic_profile **ret_profile,
		      char err[INLAY_NIC_ERROR])
{
	struct inlay_nic_profile *profile;
	char path[PATH_MAX + 256];
	int ret;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	ret = inlay_nic_profile_load(path, &profile, err);
	if (ret)
		return ret;
	if (strlen(file) != strlen(profile->name) + strlen(SUFFIX) ||
	    strncmp(file, profile->name, strlen(profile->name))) {
		snprintf(err, INLAY_NIC_ERROR, "%.400s: name: '%s' is not the file's", path,
			 profile->name);
		inlay_nic_profile_free(profile);
		return -EINVAL;
	}
	*ret_profile = profile;
	return 0;
}

int inlay_nic_profiles_load(const char *folder, struct inlay_nic_profiles *ret_profiles,
			    char err[INLAY_NIC_ERROR])
{
	struct inlay_nic_profiles profiles = {0};
	struct names found = {0};
	char standard[PATH_MAX];
	int ret;

	if (!folder) {
		inlay_nic_profiles_folder(standard);
		folder = standard;
	}
	ret = list_folder(folder, &found, err);
	for (size_t i = 0; i < found.n && !ret; i++) {
		ret = load_named(folder, found.list[i], &profiles.list[profiles.n], err);
		profiles.n += !ret;
	}
	names_fini(&found);
	if (ret) {
		inlay_nic_profiles_fini(&profiles);
		return ret;
	}
	*ret_profiles = profiles;
	return 0;
}

void inlay_nic_profiles_fini(struct inlay_nic_profiles *profiles)
{
	for (size_t i = 0; i < profiles->n; i++)
		inlay_nic_profile_free(profiles->list[i]);
	*profiles = (struct inlay_nic_profiles){0};
}

/* Says that there is no such profile, and which there are, or where there are none. */
static int complain_unknown(const char *name, const char *folder, const struct names *found,
			    char err[INLAY_NIC_ERROR])
{
	int at;

	if (!found->n) {
		snprintf(err, INLAY_NIC_ERROR,
			 "no profile '%.64s': there are none in %.300s; set INLAY_NIC_PROFILES to "
			 "their folder",
			 name, folder);
		return -ENOENT;
	}
	at = snprintf(err, INLAY_NIC_ERROR, "no profile '%.64s'; there are:", name);

	for (size_t i = 0; i < found->n && at < INLAY_NIC_ERROR; i++)
		at += snprintf(err + at, INLAY_NIC_ERROR - (size_t)at, " %.*s",
			       (int)(strlen(found->list[i]) - strlen(SUFFIX)), found->list[i]);
	return -ENOENT;
}

int inlay_nic_profile_find(const char *name, struct inlay_nic_profile **ret_profile,
			   char err[INLAY_NIC_ERROR])
{
	struct names found = {0};
	char folder[PATH_MAX];
	size_t i, len = strlen(name);
	int ret;

	if (strchr(name, '/') || is_profile(name))
		return inlay_nic_profile_load(name, ret_profile, err);
	inlay_nic_profiles_folder(folder);
	ret = list_folder(folder, &found, err);
	if (ret)
		return ret;
	for (i = 0; i < found.n; i++)
		if (!strncmp(found.list[i], name, len) && !strcmp(found.list[i] + len, SUFFIX))
			break;
	if (i < found.n)
		ret = load_named(folder, found.list[i], ret_profile, err);
	else
		ret = complain_unknown(name, folder, &found, err);
	names_fini(&found);
	return ret;
}
