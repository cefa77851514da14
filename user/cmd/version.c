/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/libbpf.h>
#include <jansson.h>
#include <microhttpd.h>
#include <stdio.h>
#include <yaml.h>
#include <zlib.h>
#include "capture/go_code.h"
#include "capture/pcapfile.h"
#include "cmd/cmd.h"
#include "export/otlp_post.h"
#include "proto/proto.h"
#include "top/remote.h"
#include "top/screen.h"
#include "version.h"

/* Libraries that were not there when this was built, by what is missing without them. */
static void print_left_out(void)
{
	const struct {
		bool is_built;
		const char *what;
	} parts[] = {
		{ otlp_post_library(), "otlp, asking about containers" },
		{ remote_is_built(), "top --connect" },
		{ go_code_library(), "tls of go" },
		{ screen_is_built(), "top's live view" },
	};
	const char *before = "not built: ";

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i].is_built)
			continue;
		printf("%s%s", before, parts[i].what);
		before = ", ";
	}
	if (before[0] == ',')
		printf("\n");
}

int cmd_version(const struct cmd_args *a)
{
	printf("sonde %s (commit %s)\n", SONDE_VERSION, SONDE_COMMIT);
	printf("protocols:");
	for (int id = PROTO_UNKNOWN + 1; id < PROTO_MAX; id++)
		printf(" %s", proto_get((enum proto_id)id)->name);
	printf("\ncapture:   socket syscall\n");
	printf("libraries: libbpf %s, libmicrohttpd %s, libyaml %s, jansson %s, zlib %s, %s\n",
	       libbpf_version_string(), MHD_get_version(), yaml_get_version_string(),
	       jansson_version_str(), zlibVersion(), pcapfile_library());
	if (otlp_post_library())
		printf("otlp:      http/protobuf http/json grpc (libcurl %s)\n",
		       otlp_post_library());
	print_left_out();
	return EXIT_DONE;
}
