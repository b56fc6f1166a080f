/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which placement a device gets: the profile says what would be best, in order; the device answers
 * what the profile leaves to it; and what this version of inlay has is all that can be taken.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "probe.h"

/* --- The device's answers ----------------------------------------------------------------------
 */

static enum inlay_nic_answer yes_or_no(bool yes)
{
	return yes ? INLAY_NIC_YES : INLAY_NIC_NO;
}

/* As the kernel's netlink specification of the netdev family names them. */
static const char *const xdp_names[] = {"basic",      "redirect", "ndo-xmit",	"xsk-zerocopy",
					"hw-offload", "rx-sg",	  "ndo-xmit-sg"};
static const char *const metadata_names[] = {"timestamp", "hash", "vlan-tag"};

static enum inlay_nic_answer bit_of(__u64 bits, const char *const *names, size_t n,
				    const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return yes_or_no(bits >> i & 1);
	return INLAY_NIC_UNKNOWN;
}

enum inlay_nic_answer inlay_nic_device_answer(const struct inlay_nic_device *device,
					      const char *question)
{
	const struct inlay_nic_feature *feature;
	const char *name = strchr(question, ':');

	if (!name)
		return INLAY_NIC_UNKNOWN;
	name++;
	if (!strncmp(question, "xdp:", 4) && device->has_xdp)
		return bit_of(device->xdp_features, xdp_names, INLAY_ARRAY_SIZE(xdp_names), name);
	if (!strncmp(question, "rx-metadata:", 12) && device->has_xdp)
		return bit_of(device->xdp_metadata, metadata_names,
			      INLAY_ARRAY_SIZE(metadata_names), name);
	if (!strcmp(question, "timestamp:hardware-receive") && device->has_timestamp)
		return yes_or_no(device->timestamps_all);
	if (!strncmp(question, "feature:", 8) && device->has_features) {
		feature = inlay_nic_feature(device, name);
		return yes_or_no(feature && (feature->active || feature->changeable));
	}
	return INLAY_NIC_UNKNOWN;
}

void inlay_nic_device_identity(const struct inlay_nic_device *device,
			       struct inlay_nic_identity *ret_identity)
{
	*ret_identity = (struct inlay_nic_identity){
		.driver = device->driver,
		.firmware = device->firmware,
		.board = "",
		.pci_vendor = device->vendor,
		.pci_device = device->product,
	};
	for (size_t i = 0; i < device->n_versions; i++)
		if (!strcmp(device->versions[i].name, "board.id"))
			ret_identity->board = device->versions[i].value;
}

/* --- Choices -----------------------------------------------------------------------------------
 */

/* What this version of inlay has; the others are what profiles are written for besides. */
static const struct {
	enum inlay_nic_placement placement;
	enum inlay_nic_provider provider;
} built[] = {
	{INLAY_NIC_PLACE_USER, INLAY_NIC_PROVIDER_LOCAL},
	{INLAY_NIC_PLACE_CONVENTIONAL, INLAY_NIC_PROVIDER_LOCAL},
};

static bool is_built(const struct inlay_nic_choice *choice)
{
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(built); i++)
		if (built[i].placement == choice->placement &&
		    built[i].provider == choice->provider)
			return true;
	return false;
}

/* Does the device have it? What profile and device say, in words, where not. */
static bool has(const struct inlay_nic_profile *profile, const struct inlay_nic_device *device,
		enum inlay_nic_capability cap, char *why, size_t room)
{
	enum inlay_nic_answer answer = profile->caps[cap].answer;
	const char *said_by = "the profile says";

	/* The device knows better than any data file: also where the profile is sure. */
	if (device && answer != INLAY_NIC_NO) {
		enum inlay_nic_answer own =
			inlay_nic_device_answer(device, inlay_nic_cap_question(cap));

		if (own != INLAY_NIC_UNKNOWN) {
			answer = own;
			said_by = "the device reports";
		}
	}
	if (answer == INLAY_NIC_YES)
		return true;
	snprintf(why, room, "needs %s (%s): %s %s", inlay_nic_cap_name(cap),
		 inlay_nic_cap_text(cap), said_by,
		 answer == INLAY_NIC_ASK ? "it depends on the device"
					 : inlay_nic_answer_name(answer));
	return false;
}

static void judge(const struct inlay_nic_profile *profile, const struct inlay_nic_device *device,
		  const struct inlay_nic_choice *choice, struct inlay_nic_verdict *ret)
{
	*ret = (struct inlay_nic_verdict){.choice = choice};
	for (size_t i = 0; i < choice->n_needs; i++)
		if (!has(profile, device, choice->needs[i], ret->why, sizeof(ret->why)))
			return;
	if (!is_built(choice)) {
		snprintf(ret->why, sizeof(ret->why),
			 "this version has no placement %s with provider %s yet",
			 inlay_nic_placement_name(choice->placement),
			 inlay_nic_provider_name(choice->provider));
		return;
	}
	ret->fits = true;
	snprintf(ret->why, sizeof(ret->why), "%.199s", choice->why);
}

int inlay_nic_choose(const struct inlay_nic_profile *profile, const struct inlay_nic_device *device,
		     struct inlay_nic_verdict ret_verdicts[INLAY_NIC_CHOICES])
{
	int chosen = -ENOENT;

	for (size_t i = 0; i < profile->n_prefer; i++) {
		judge(profile, device, &profile->prefer[i], &ret_verdicts[i]);
		if (ret_verdicts[i].fits && chosen < 0)
			chosen = (int)i;
	}
	return chosen;
}
