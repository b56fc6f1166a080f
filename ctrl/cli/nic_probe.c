/* SPDX-License-Identifier: BSD-2-Clause */
/* inlayctl nic probe: the table, the JSON, the command. */
#include <errno.h>
#include <string.h>

#include "control_client.h"
#include "nic_probe.h"

/* What a person wants to see of a device's features: those that profiles ask for. */
static const struct {
	const char *name, *question;
} shown[] = {
	{"XDP native", "xdp:basic"},
	{"XDP redirect", "xdp:redirect"},
	{"XDP transmit", "xdp:ndo-xmit"},
	{"XDP multi-buffer", "xdp:rx-sg"},
	{"XDP offload", "xdp:hw-offload"},
	{"AF_XDP zero copy", "xdp:xsk-zerocopy"},
	{"TC offload", "feature:hw-tc-offload"},
	{"UDP segmentation", "feature:tx-udp-segmentation"},
	{"kTLS transmit", "feature:tls-hw-tx-offload"},
	{"IPsec ESP", "feature:esp-hw-offload"},
	{"MACsec", "feature:macsec-hw-offload"},
	{"receive timestamps", "timestamp:hardware-receive"},
};

static const char *loads_name(enum inlay_nic_loads loads)
{
	static const char *const names[] = {"no", "yes", "unknown"};

	return names[loads];
}

/* The profile that matches, and its choices judged. NULL: none matches. */
static const struct inlay_nic_profile *judge(const struct inlay_nic_profiles *profiles,
					     const struct inlay_nic_device *device,
					     struct inlay_nic_verdict *verdicts, int *ret_chosen)
{
	const struct inlay_nic_profile *profile;
	struct inlay_nic_identity identity;

	inlay_nic_device_identity(device, &identity);
	profile = inlay_nic_profiles_best(profiles, &identity);
	*ret_chosen = profile ? inlay_nic_choose(profile, device, verdicts) : -ENOENT;
	return profile;
}

/* --- For people --------------------------------------------------------------------------------
 */

static void print_notes(const struct inlay_nic_notes *notes, FILE *out)
{
	for (size_t i = 0; i < notes->n; i++)
		fprintf(out, "  %-18s %s\n", i ? "" : "not known", notes->text[i]);
}

static void print_answers(const struct inlay_nic_device *device, FILE *out)
{
	static const struct {
		enum inlay_nic_answer answer;
		const char *title;
	} groups[] = {{INLAY_NIC_YES, "can"}, {INLAY_NIC_NO, "cannot"}};

	for (size_t g = 0; g < INLAY_ARRAY_SIZE(groups); g++) {
		const char *before = "";

		for (size_t i = 0; i < INLAY_ARRAY_SIZE(shown); i++) {
			if (inlay_nic_device_answer(device, shown[i].question) != groups[g].answer)
				continue;
			if (!*before)
				fprintf(out, "  %-18s ", groups[g].title);
			fprintf(out, "%s%s", before, shown[i].name);
			before = ", ";
		}
		if (*before)
			fputc('\n', out);
	}
}

static void print_choice(const struct inlay_nic_verdict *verdict, const char *title, FILE *out)
{
	const struct inlay_nic_choice *choice = verdict->choice;

	fprintf(out, "  %-18s %s at %s, provider %s: %s\n", title,
		inlay_nic_placement_name(choice->placement), inlay_nic_hook_name(choice->hook),
		inlay_nic_provider_name(choice->provider), verdict->why);
}

static void print_placement(const struct inlay_nic_device *device,
			    const struct inlay_nic_profiles *profiles, FILE *out)
{
	struct inlay_nic_verdict verdicts[INLAY_NIC_CHOICES];
	const struct inlay_nic_profile *profile;
	struct inlay_nic_identity identity;
	int chosen;

	profile = judge(profiles, device, verdicts, &chosen);
	if (!profile) {
		fprintf(out,
			"  %-18s none speaks of this device: docs/nics.md says how to write one\n",
			"profile");
		return;
	}
	inlay_nic_device_identity(device, &identity);
	fprintf(out, "  %-18s %s (%s)\n", "profile", profile->name, profile->title);
	if (!inlay_nic_profile_firmware_fits(profile, &identity))
		fprintf(out, "  %-18s firmware %s is not the one that the profile is about\n", "",
			device->firmware);
	if (chosen < 0)
		fprintf(out, "  %-18s none of the profile's choices fits\n", "placement auto");
	else
		print_choice(&verdicts[chosen], "placement auto", out);
	for (int i = 0; i < (chosen < 0 ? (int)profile->n_prefer : chosen); i++)
		print_choice(&verdicts[i], "better, but not", out);
}

static void print_device(const struct inlay_nic_device *device,
			 const struct inlay_nic_profiles *profiles, FILE *out)
{
	fprintf(out, "%s\n", device->name);
	fprintf(out, "  %-18s %s%s%s\n", "driver", device->driver[0] ? device->driver : "not told",
		device->firmware[0] ? ", firmware " : "", device->firmware);
	if (device->bus[0])
		fprintf(out, "  %-18s %s %s", "at", device->bus, device->address);
	if (device->vendor)
		fprintf(out, " (%04x:%04x)", device->vendor, device->product);
	if (device->bus[0])
		fputc('\n', out);
	fprintf(out, "  %-18s %s, MTU %u\n", "state", device->up ? "up" : "down", device->mtu);
	for (size_t i = 0; i < device->n_versions; i++)
		fprintf(out, "  %-18s %s %s\n", i ? "" : "devlink", device->versions[i].name,
			device->versions[i].value);
	print_answers(device, out);
	print_notes(&device->notes, out);
	print_placement(device, profiles, out);
	fputc('\n', out);
}

static void print_rdma(const struct inlay_nic_rdma *rdma, FILE *out)
{
	fprintf(out, "%s (RDMA)\n", rdma->name);
	if (rdma->netdev[0])
		fprintf(out, "  %-18s %s\n", "beside", rdma->netdev);
	fprintf(out, "  %-18s %s, %s, firmware %s, %04x:%04x, %u queue pairs\n", "device",
		rdma->transport[0] ? rdma->transport : "not told",
		rdma->state[0] ? rdma->state : "state not told",
		rdma->firmware[0] ? rdma->firmware : "not told", rdma->vendor, rdma->part,
		rdma->max_qp);
	fprintf(out, "  %-18s %s\n", "mlx5dv",
		!rdma->mlx5	    ? "not for this device"
		: rdma->mlx5_crypto ? "yes, with crypto engines (AES-XTS: not for packets)"
				    : "yes, without crypto engines");
	print_notes(&rdma->notes, out);
	fputc('\n', out);
}

static void print_kernel(const struct inlay_nic_kernel *kernel, FILE *out)
{
	fprintf(out, "kernel %s\n", kernel->release);
	for (size_t i = 0; i < kernel->n_tries; i++)
		fprintf(out, "  %-8s %-34s for %s\n", loads_name(kernel->tries[i].loads),
			kernel->tries[i].name, kernel->tries[i].why);
	print_notes(&kernel->notes, out);
}

void inlay_nic_probe_print(const struct inlay_nic_probe *probe,
			   const struct inlay_nic_profiles *profiles, FILE *out)
{
	for (size_t i = 0; i < probe->n_devices; i++)
		print_device(&probe->devices[i], profiles, out);
	for (size_t i = 0; i < probe->n_rdma; i++)
		print_rdma(&probe->rdma[i], out);
	if (!probe->n_rdma)
		fputs("no RDMA device\n\n", out);
	print_kernel(&probe->kernel, out);
	print_notes(&probe->notes, out);
}

/* --- For programs ------------------------------------------------------------------------------
 */

static json_t *notes_json(const struct inlay_nic_notes *notes)
{
	json_t *list = json_array();

	for (size_t i = 0; i < notes->n; i++)
		json_array_append_new(list, json_string(notes->text[i]));
	return list;
}

static json_t *placement_json(const struct inlay_nic_verdict *verdict)
{
	const struct inlay_nic_choice *choice = verdict->choice;

	return json_pack("{s:s, s:s, s:s, s:b, s:s}", "placement",
			 inlay_nic_placement_name(choice->placement), "hook",
			 inlay_nic_hook_name(choice->hook), "provider",
			 inlay_nic_provider_name(choice->provider), "fits", verdict->fits, "why",
			 verdict->why);
}

static json_t *judged_json(const struct inlay_nic_device *device,
			   const struct inlay_nic_profiles *profiles)
{
	struct inlay_nic_verdict verdicts[INLAY_NIC_CHOICES];
	const struct inlay_nic_profile *profile;
	json_t *choices;
	int chosen;

	profile = judge(profiles, device, verdicts, &chosen);
	if (!profile)
		return json_null();
	choices = json_array();
	for (size_t i = 0; i < profile->n_prefer; i++)
		json_array_append_new(choices, placement_json(&verdicts[i]));
	return json_pack("{s:s, s:s, s:o, s:o}", "name", profile->name, "title", profile->title,
			 "choices", choices, "auto",
			 chosen < 0 ? json_null() : placement_json(&verdicts[chosen]));
}

static json_t *features_json(const struct inlay_nic_device *device)
{
	json_t *features = json_object();

	for (size_t i = 0; i < device->n_features; i++)
		json_object_set_new(features, device->features[i].name,
				    json_pack("{s:b, s:b}", "active", device->features[i].active,
					      "changeable", device->features[i].changeable));
	return features;
}

static json_t *answers_json(const struct inlay_nic_device *device)
{
	json_t *answers = json_object();

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(shown); i++)
		json_object_set_new(answers, shown[i].question,
				    json_string(inlay_nic_answer_name(
					    inlay_nic_device_answer(device, shown[i].question))));
	return answers;
}

static json_t *device_json(const struct inlay_nic_device *device,
			   const struct inlay_nic_profiles *profiles)
{
	json_t *versions = json_object();

	for (size_t i = 0; i < device->n_versions; i++)
		json_object_set_new(versions, device->versions[i].name,
				    json_string(device->versions[i].value));
	return json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:i, s:i, s:b, s:i, s:o, s:o, s:o, s:o, "
			 "s:o}",
			 "name", device->name, "ifindex", (int)device->ifindex, "driver",
			 device->driver, "firmware", device->firmware, "bus", device->bus,
			 "address", device->address, "pci_vendor", (int)device->vendor,
			 "pci_device", (int)device->product, "up", device->up, "mtu",
			 (int)device->mtu, "answers", answers_json(device), "features",
			 features_json(device), "devlink", versions, "not_known",
			 notes_json(&device->notes), "profile", judged_json(device, profiles));
}

static json_t *rdma_json(const struct inlay_nic_rdma *rdma)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:b, s:b, s:o}", "name",
			 rdma->name, "netdev", rdma->netdev, "firmware", rdma->firmware, "state",
			 rdma->state, "transport", rdma->transport, "vendor", (int)rdma->vendor,
			 "part", (int)rdma->part, "max_qp", (int)rdma->max_qp, "mlx5", rdma->mlx5,
			 "mlx5_crypto", rdma->mlx5_crypto, "not_known", notes_json(&rdma->notes));
}

static json_t *kernel_json(const struct inlay_nic_kernel *kernel)
{
	json_t *loads = json_object();

	for (size_t i = 0; i < kernel->n_tries; i++)
		json_object_set_new(loads, kernel->tries[i].name,
				    json_string(loads_name(kernel->tries[i].loads)));
	return json_pack("{s:s, s:o, s:o}", "release", kernel->release, "loads", loads, "not_known",
			 notes_json(&kernel->notes));
}

json_t *inlay_nic_probe_json(const struct inlay_nic_probe *probe,
			     const struct inlay_nic_profiles *profiles)
{
	json_t *devices = json_array(), *rdma = json_array();

	for (size_t i = 0; i < probe->n_devices; i++)
		json_array_append_new(devices, device_json(&probe->devices[i], profiles));
	for (size_t i = 0; i < probe->n_rdma; i++)
		json_array_append_new(rdma, rdma_json(&probe->rdma[i]));
	return json_pack("{s:o, s:o, s:o, s:o}", "devices", devices, "rdma", rdma, "kernel",
			 kernel_json(&probe->kernel), "not_known", notes_json(&probe->notes));
}

/* --- The command -------------------------------------------------------------------------------
 */

static int say_failure(int error, const char *name)
{
	if (error == -ENODEV)
		fprintf(stderr,
			"inlayctl: there is no network device '%s' here; ip link shows which there "
			"are\n",
			name);
	else
		fprintf(stderr, "inlayctl: the list of network devices cannot be read: %s\n",
			strerror(-error));
	return INLAY_EXIT_FAILED;
}

static int show(const struct inlay_nic_probe *probe, const struct inlay_nic_profiles *profiles,
		bool json)
{
	json_t *all;

	if (!json) {
		inlay_nic_probe_print(probe, profiles, stdout);
		return 0;
	}
	all = inlay_nic_probe_json(probe, profiles);
	if (!all) {
		fprintf(stderr, "inlayctl: no memory\n");
		return INLAY_EXIT_FAILED;
	}
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
	return 0;
}

int inlay_nic_probe_run(int argc, char **argv)
{
	struct inlay_nic_profiles profiles = {0};
	struct inlay_nic_probe *probe = NULL;
	const char *name = NULL;
	char err[INLAY_NIC_ERROR], folder[4096];
	bool json = false;
	int ret;

	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--json")) {
			json = true;
		} else if (argv[i][0] == '-' || name) {
			fprintf(stderr,
				"inlayctl: nic probe takes one device, --json, or nothing\n");
			return INLAY_EXIT_USAGE;
		} else {
			name = argv[i];
		}
	}
	ret = inlay_nic_profiles_load(NULL, &profiles, err);
	if (ret) {
		fprintf(stderr, "inlayctl: %s\n", err);
		return INLAY_EXIT_FAILED;
	}
	if (!profiles.n) {
		inlay_nic_profiles_folder(folder);
		fprintf(stderr, "inlayctl: no NIC profile in %s: no device is matched\n", folder);
	}
	ret = inlay_nic_probe_new(name, &probe);
	ret = ret ? say_failure(ret, name) : show(probe, &profiles, json);
	inlay_nic_probe_free(probe);
	inlay_nic_profiles_fini(&profiles);
	return ret;
}
