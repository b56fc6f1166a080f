/* SPDX-License-Identifier: BSD-2-Clause */
/* YAML into the loader of NIC profiles: what it accepts is within its bounds, what it refuses is
 * refused in one line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"

static void check_accepted(const struct inlay_nic_profile *p)
{
	const struct inlay_nic_identity identity = {.driver = "mlx5_core",
						    .firmware = "1.2 ebpf",
						    .board = "AMDA0099-0001",
						    .pci_vendor = 0x15b3,
						    .pci_device = 0x1017};

	if (!*p->name || !p->n_prefer || p->n_prefer > INLAY_NIC_CHOICES || !p->match.n_drivers ||
	    p->match.n_drivers > INLAY_NIC_MATCHES || p->match.n_pci > INLAY_NIC_PCI_IDS ||
	    p->ebpf.n_rules > INLAY_NIC_RULES || p->ebpf.n_helpers > INLAY_NIC_HELPERS ||
	    (p->has_ebpf && !*p->ebpf.source))
		abort();
	for (int i = 0; i < INLAY_NIC_N_CAPS; i++)
		if (!*p->caps[i].source || !inlay_nic_answer_name(p->caps[i].answer))
			abort();
	for (size_t i = 0; i < p->n_prefer; i++)
		for (size_t j = 0; j < p->prefer[i].n_needs; j++)
			if (!*inlay_nic_cap_name(p->prefer[i].needs[j]))
				abort();
	inlay_nic_profile_match(p, &identity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct inlay_nic_profile *profile = NULL;
	char err[INLAY_NIC_ERROR] = "";

	if (inlay_nic_profile_parse("fuzz.yaml", (const char *)data, size, &profile, err)) {
		if (!*err || strchr(err, '\n') || profile)
			abort();
		return 0;
	}
	check_accepted(profile);
	inlay_nic_profile_free(profile);
	return 0;
}
