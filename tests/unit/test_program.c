/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include "identity/cgroup.h"
#include "identity/otel_env.h"
#include "identity/program.h"

#define N PROGRAM_NAMED
#define I PROGRAM_INTERPRETER
#define W PROGRAM_WORKER

#define JAVA	 "/usr/lib/jvm/17/bin/java"
#define CATALINA "org.apache.catalina.startup.Bootstrap"

/* Arguments are separated by '|' here, by NUL in life. */
struct program_case {
	const char *exe, *args, *cwd, *name;
	enum program_is is;
};

static const struct program_case cases[] = {
	/* executables: the base name; a title set later never */
	{ "/usr/sbin/nginx", "nginx: worker process", "/", "nginx", N },
	{ "/usr/sbin/nginx (deleted)", "nginx: master process /usr/sbin/nginx", "/", "nginx", N },
	{ "/usr/lib/postgresql/15/bin/postgres", "postgres: shop shop 10.0.0.1(5) idle", "/",
	  "postgres", N },
	{ "/srv/shop-api", "./renamed|-v", "/srv", "shop-api", N },
	{ "./relative", "./relative", "/srv", "relative", N },
	{ "/memfd:helper (deleted)", "x", "/", "helper", N },
	{ "/memfd:runc_cloned:/proc/self/exe (deleted)", "runc|init", "/", "runc_cloned", N },
	{ "/dev/fd/7", "/usr/bin/tool|-x", "", "tool", N }, /* fexecve() */
	{ "/bin/busybox", "httpd|-f|-p|80", "/", "httpd", N },
	{ "/bin/busybox", "busybox|nc|-l", "/", "nc", N },
	{ "/usr/bin/redis-check-rdb", "/usr/bin/redis-server 127.0.0.1:6379", "/", "redis-server",
	  N },
	{ "/usr/bin/redis-check-rdb", "redis-server unixsocket:/run/r.sock", "/", "redis-server",
	  N },
	{ "/usr/bin/redis-check-rdb", "redis-check-rdb|dump.rdb", "/", "redis-check-rdb", N },
	{ "/usr/sbin/php-fpm8.2", "php-fpm: pool www", "/", "php-fpm8.2", N },
	{ "", "", "", "", PROGRAM_NAMELESS },

	/* Python */
	{ "/usr/bin/python3.11", "python3|/srv/shop/orders.py|--port|80", "/", "orders", N },
	{ "/usr/bin/python3.11", "python3|/srv/shop/server.py", "/", "shop", N },
	{ "/usr/bin/python3.11", "python3|server.py", "/srv/shop", "shop", N },
	{ "/usr/bin/python3.11", "python3|./app.py", "/srv/shop/", "shop", N },
	{ "/usr/bin/python3.11", "python3|src/main.py", "/srv/shop", "shop", N },
	{ "/usr/bin/python3.11", "python3|../x/main.py", "/srv/shop", "x", N },
	{ "/usr/bin/python3.11", "python3|../main.py", "/srv/shop", "main", N },
	{ "/usr/bin/python3.11", "python3|server.py", "", "server", N },
	{ "/usr/bin/python3.11", "python3|server.py", NULL, "server", N },
	{ "/usr/bin/python3.11", "python3|/main.py", "/", "main", N },
	{ "/usr/bin/python3.11", "python3|manage.py|runserver", "/srv/shop", "shop", N },
	{ "/usr/bin/python3.11", "python3|-m|http.server|8000", "/", "http.server", N },
	{ "/usr/bin/python3.11", "python3|-um|http.server", "/", "http.server", N },
	{ "/usr/bin/python3.11", "python3|-u|-W|ignore|-X|dev|-mshop", "/", "shop", N },
	{ "/usr/bin/python3.11", "python3|-m|app", "/srv/shop", "shop", N },
	{ "/usr/bin/python3.11", "python3|-u|-Wignore|x.py", "/", "x", N },
	{ "/usr/bin/python3.11", "python3|-c|import x", "/", "python", I },
	{ "/usr/bin/python3.11", "python3|-uc|import x|y.py", "/", "python", I },
	{ "/usr/bin/python3.11", "python3", "/", "python", I },
	{ "/usr/bin/python3.11", "python3|-", "/", "python", I },
	{ "/usr/bin/python3.11", "python3|-m", "/", "python", I },
	{ "/usr/bin/python3.11",
	  "python3|-c|from multiprocessing.spawn import spawn_main; spawn_main(pipe_handle=7)|"
	  "--multiprocessing-fork",
	  "/", "python", W },

	/* servers of other people's applications */
	{ "/usr/bin/python3.11", "/usr/bin/python3|/usr/bin/gunicorn|-w|4|-b|0.0.0.0:80|shop:app",
	  "/", "shop", N },
	{ "/usr/bin/python3.11", "python3|/usr/bin/gunicorn|app:app", "/srv/shop", "shop", N },
	{ "/usr/bin/python3.11", "python3|/usr/bin/gunicorn|shop.wsgi:application", "/", "shop",
	  N },
	{ "/usr/bin/python3.11", "python3|/usr/bin/gunicorn|-b|unix:/run/x|main:create()", "/srv/x",
	  "x", N },
	{ "/usr/bin/python3.11", "python3|/usr/bin/gunicorn|-b|localhost:8000|pay.api:app", "/",
	  "pay.api", N },
	{ "/usr/bin/python3.11", "python3|-m|uvicorn|--port|80|shop:app", "/", "shop", N },
	{ "/usr/bin/python3.11", "python3|/usr/bin/gunicorn", "/", "gunicorn", N },
	{ "/usr/bin/python3.11", "gunicorn: master [shop.wsgi:application]", "/", "shop", N },
	{ "/usr/bin/python3.11", "gunicorn: worker [app:app]", "/srv/shop", "shop", N },
	{ "/usr/bin/python3.11", "gunicorn: worker [pay]", "/srv/shop", "pay", N },
	{ "/usr/bin/python3.11", "gunicorn: worker [pay", "/srv/shop", "gunicorn", N },
	{ "/usr/bin/ruby3.1", "/usr/bin/ruby|/usr/bin/puma|-p|80", "/srv/shop", "shop", N },
	{ "/usr/bin/ruby3.1", "ruby|/usr/bin/puma|-p|80|--tag|pay", "/srv/shop", "pay", N },
	{ "/usr/bin/ruby3.1", "ruby|/usr/bin/puma|--tag=pay", "/srv/shop", "pay", N },
	{ "/usr/bin/ruby3.1", "ruby|/usr/bin/puma", "/", "puma", N },
	{ "/usr/bin/ruby3.1", "ruby|/usr/bin/puma", NULL, "puma", N },
	{ "/usr/bin/ruby3.1", "ruby|/usr/bin/puma", "/srv/shop/releases/20260101", "puma", N },
	{ "/usr/bin/ruby3.1", "puma 5.6.5 (tcp://[::1]:80) [shop]||||", "/", "shop", N },
	{ "/usr/bin/ruby3.1", "puma 5.6.5 (tcp://[::1]:80) [src]", "/srv/shop/src", "shop", N },
	{ "/usr/bin/ruby3.1", "puma: cluster worker 0: 9823 [pay]  ", "/srv/shop", "pay", N },
	{ "/usr/bin/ruby3.1", "puma 5.6.5 (tcp://[::1]", "/srv/shop", "puma", N },
	{ "/usr/bin/ruby3.1", "puma 5.6.5 (tcp://0:80) [20260101]", "/srv/x/20260101", "puma", N },
	{ "/usr/bin/ruby3.1", "puma 5.6.5 (tcp://0:80) [/]", "/", "puma", N },
	{ "/usr/bin/ruby3.1", "puma 5.6.5 (tcp://0:80) []", "/", "puma", N },
	{ "/usr/bin/ruby3.1", "ruby|bin/rails|server", "/srv/shop", "shop", N },
	{ "/usr/bin/ruby3.1", "unicorn worker[0] -c u.rb", "/srv/shop", "shop", N },
	{ "/usr/bin/ruby3.1", "sidekiq 6.5.12 shop [0 of 5 busy]", "/srv/shop", "sidekiq", N },
	{ "/usr/bin/ruby3.1", "ruby|/usr/bin/sidekiq", "/srv/shop", "sidekiq", N },
	{ "/usr/bin/ruby3.1", "pumas of the zoo [shop]", "/srv/shop", "ruby", I },
	{ "/usr/bin/ruby3.1", "shop worker", "/srv/shop", "ruby", I },
	{ "/usr/bin/nginx", "puma 5.6.5 (tcp://0:80) [shop]", "/", "nginx", N },
	{ "/usr/bin/perl", "/usr/bin/perl|/usr/bin/starman|--workers|1|/srv/pay.psgi", "/", "pay",
	  N },
	{ "/usr/bin/perl", "/usr/bin/perl|/usr/bin/starman", "/srv/shop", "shop", N },
	{ "/usr/bin/perl", "starman master --workers 1 /srv/shop/app.psgi", "/", "shop", N },
	{ "/usr/bin/perl", "starman worker --workers 1 pay.psgi||||", "/srv", "pay", N },
	{ "/usr/bin/perl", "starman worker --workers 1", "/srv/shop", "shop", N },
	{ "/usr/bin/perl", "starman worker --workers 1", "/", "starman", N },
	/* execve was given the script, its first line names the interpreter */
	{ "/usr/bin/gunicorn", "/usr/bin/python3|/usr/bin/gunicorn|shop:app", "", "shop", N },
	{ "/srv/run.sh", "/bin/bash|-e|/srv/run.sh", "", "run", N },

	/* the others */
	{ "/usr/bin/node", "node|/srv/shop/index.js", "/", "shop", N },
	{ "/usr/bin/node", "node|--inspect|-r|dotenv|--import|x|pay.mjs", "/srv", "pay", N },
	{ "/usr/bin/node", "node|.", "/srv/shop", "shop", N },
	{ "/usr/bin/node", "node|dist/server.js", "/srv/shop", "shop", N },
	{ "/usr/bin/node", "node|-e|code", "/srv/shop", "node", I },
	{ "/usr/bin/node", "node|--eval|code|x.js", "/srv/shop", "node", I },
	{ "/usr/bin/node", "shop worker", "/srv/shop", "node", I },
	{ "/usr/bin/nodejs", "nodejs|bin/www", "/srv/shop", "shop", N },
	{ "/usr/local/bin/deno", "deno|run|-A|api.ts", "/srv", "api", N },
	{ "/usr/local/bin/bun", "bun|run|server.ts", "/srv/shop", "shop", N },
	{ "/usr/bin/ruby3.1", "ruby|-I|lib|-rbundler|worker.rb", "/", "worker", N },
	{ "/usr/bin/perl", "perl|-MSocket|-I|lib|echo.pl", "/", "echo", N },
	{ "/usr/bin/perl", "perl|-lane|print", "/", "perl", I },
	{ "/usr/bin/php8.2", "php|-S|0:80|-t|public|router.php", "/", "router", N },
	{ "/usr/bin/php8.2", "php|-f|job.php", "/", "job", N },
	{ "/bin/bash", "-bash", "/root", "bash", I },
	{ "/bin/bash", "bash|-ec|true", "/", "bash", I },
	{ "/bin/bash", "bash|-o|pipefail|/srv/run.sh", "/", "run", N },
	{ "/bin/bash", "bash|/dev/fd/3", "/", "bash", I },
	{ "/bin/dash", "sh|/srv/loop", "/", "loop", N },
	{ "/usr/share/dotnet/dotnet", "dotnet|/app/Shop.Api.dll", "/", "Shop.Api", N },

	/* Java */
	{ JAVA, "java|-Xmx1g|-jar|/srv/shop-1.2.3-SNAPSHOT.jar", "/", "shop", N },
	{ JAVA, "java|-jar|/srv/order-service.jar", "/", "order-service", N },
	{ JAVA, "java|-jar|app.jar", "/srv/shop", "shop", N },
	{ JAVA, "java|-cp|a.jar:b.jar|-Dx=y|com.acme.Orders|arg", "/", "Orders", N },
	{ JAVA, "java|--class-path|x|com.acme.shop.Main", "/", "shop", N },
	{ JAVA, "java|-p|mods|-m|acme/com.acme.Orders", "/", "Orders", N },
	{ JAVA, "java|-cp|x|com.acme.shop.boot.Launcher", "/", "shop", N },
	{ JAVA, "java|-cp|x|com.acme.shop.ShopApplication", "/", "ShopApplication", N },
	{ JAVA, "java|-cp|x|com.acme.shop.Application", "/", "shop", N },
	{ JAVA, "java|-cp|/srv/pay-1.2.jar:lib/a.jar|Main", "/srv/shop", "pay", N },
	{ JAVA, "java|-cp|lib/*:pay.jar|Main", "/srv/shop", "shop", N },
	{ JAVA, "java|-cp|.jar|Bootstrap", "/srv/shop", "shop", N },
	{ JAVA, "java|Bootstrap", "/", "Bootstrap", N },
	{ JAVA, "java|Main", NULL, "Main", N },
	{ JAVA,
	  "java|-cp|a.jar|-Dcatalina.base=/srv/shop|-Dcatalina.home=/usr/share/tomcat10|" CATALINA
	  "|start",
	  "/", "shop", N },
	{ JAVA, "java|-Dcatalina.home=/opt/apache-tomcat-10.1.5|" CATALINA "|start", "/",
	  "apache-tomcat", N },
	{ JAVA, "java|-Dcatalina.base=/|-Dcatalina.home=/usr/share/tomcat10/|" CATALINA, "/",
	  "tomcat10", N },
	{ JAVA, "java|" CATALINA "|start", "/srv/shop", "tomcat", N },
	{ JAVA, "java|-Djetty.base=/var/lib/jetty9|-jar|/usr/share/jetty9/start.jar", "/", "jetty9",
	  N },
	{ JAVA, "java|-jar|/srv/start.jar", "/", "start", N },
	{ JAVA, "java|-Djetty.base=/x|-jar|/srv/starter.jar", "/", "starter", N },
	{ JAVA, "java|org.springframework.boot.loader.launch.JarLauncher", "/srv/shop", "shop", N },
	{ JAVA, "java|org.springframework.boot.loader.JarLauncher", "/", "spring-boot", N },
	{ JAVA, "java|-version", "/", "java", I },
	{ JAVA, "java|-jar", "/", "java", I },
};

/* A copy of exactly the bytes, so that the sanitizer sees a read too far. */
static struct slice copy_of(const char *text, size_t n)
{
	uint8_t *p = malloc(n ? n : 1);

	assert_non_null(p);
	memcpy(p, text, n);
	for (size_t i = 0; i < n; i++)
		if (p[i] == '|')
			p[i] = '\0';
	return (struct slice){ p, n };
}

static enum program_is name_of(const struct program_case *c, size_t args_n, char *out, size_t size)
{
	struct slice args = copy_of(c->args, args_n);
	struct slice cwd = c->cwd ? slice_str(c->cwd) : (struct slice){ NULL, 0 };
	struct program p = { slice_str(c->exe), args, cwd };
	enum program_is is = program_name(&p, out, size);

	free((void *)args.p);
	return is;
}

static void test_names(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct program_case *c = &cases[i];
		size_t n = strlen(c->args);
		char out[128];

		for (size_t with_end = 0; with_end <= (n > 0); with_end++) {
			/* /proc ends with a NUL, a record cut at its cap does not */
			enum program_is is = name_of(c, n + with_end, out, sizeof(out));

			if (strcmp(out, c->name) != 0 || is != c->is)
				fail_msg("%s [%s] in %s: %s (%d), not %s (%d)", c->exe, c->args,
					 c->cwd, out, is, c->name, c->is);
		}
	}
}

/* Arguments cut anywhere give some name or none, and never a read beyond them. */
static void test_cut_arguments(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t n = 0; n < strlen(cases[i].args); n++) {
			char out[16];

			name_of(&cases[i], n, out, sizeof(out));
			assert_true(strlen(out) < sizeof(out));
		}
	}
}

static void test_hostile_names(void **state)
{
	struct program_case c = { "/x/\xff\n", "a", "", "\xef\xbf\xbd\n", N };
	char out[128];

	assert_int_equal(name_of(&c, 1, out, sizeof(out)), N);
	assert_string_equal(out, c.name);
}

static void expect_unit(const char *path, const char *want)
{
	char out[128] = "";
	bool found = cgroup_unit(slice_str(path), out, sizeof(out));

	assert_string_equal(found ? out : "", want);
}

static void test_units(void **state)
{
	expect_unit("/system.slice/shop.service", "shop");
	expect_unit("/system.slice/shop.service/worker", "shop");
	expect_unit("/system.slice/system-shop.slice/shop@8001.service", "shop");
	expect_unit("/shop.slice/my\\x2dshop.service", "my-shop");
	expect_unit("/system.slice/docker-0a1b.scope/system.slice/pay.service", "pay");
	expect_unit("/user.slice/user-1000.slice/user@1000.service/app.slice/x.service", "");
	expect_unit("/user.slice/user-0.slice/session-1.scope", "");
	expect_unit("/system.slice/cron.service", "");
	expect_unit("/system.slice/ssh.service", "");
	expect_unit("/system.slice/run-u42.service", "");
	expect_unit("/system.slice/run-r0123abcd.service", "");
	expect_unit("/system.slice/run-shop.service", "run-shop");
	expect_unit("/system.slice/containerd.service/kubepods-x", "");
	expect_unit("/system.slice/.service", "");
	expect_unit("/init.scope", "");
	expect_unit("/", "");
	expect_unit("", "");
}

static void expect_path(const char *file, const char *want)
{
	struct slice path = cgroup_path(slice_str(file));

	assert_int_equal(path.n, strlen(want));
	assert_memory_equal(path.p, want, path.n);
}

static void test_cgroup_files(void **state)
{
	expect_path("0::/system.slice/shop.service\n", "/system.slice/shop.service");
	expect_path("0::/a.service (deleted)\n", "/a.service");
	expect_path("9:name=systemd:/system.slice/a.service\n4:memory:/m\n0::/\n",
		    "/system.slice/a.service");
	expect_path("9:name=systemd:/s\n0::/u\n", "/u");
	expect_path("0::/u\n9:name=systemd:/s\n", "/u");
	expect_path("9:name=systemd:/\n0::/\n", "/");
	expect_path("4:memory:/m\n", "");
	expect_path("0::", "");
	expect_path("", "");
}

static void test_cgroup_seen_from_within(void **state)
{
	static const char *const paths[][2] = {
		{ "/../../system.slice/a.service", "/system.slice/a.service" },
		{ "/../x", "/x" },
		{ "/..", "/" },
		{ "/../../..", "/" },
		{ "/", "/" },
		{ "/..x/y", "/..x/y" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_true(slice_eq(cgroup_below(slice_str(paths[i][0])), slice_str(paths[i][1])));
}

static const struct java_says nothing;

static void expect_env(struct slice environ, const char *name, const char *name_space)
{
	struct otel_env env;

	otel_env_parse(environ, &nothing, &env);
	assert_string_equal(env.name, name);
	assert_string_equal(env.name_space, name_space);
}

static void test_other_attributes(void **state)
{
	struct otel_env env;

	otel_env_parse(
		SLICE("OTEL_RESOURCE_ATTRIBUTES=service.version=1%2E2,service.instance.id=a.b.c,"
		      "deployment.environment.name=test,other=x\0"),
		&nothing, &env);
	assert_string_equal(env.version, "1.2");
	assert_string_equal(env.instance, "a.b.c");
	assert_string_equal(env.environment, "test");
	assert_string_equal(env.name, "");
}

static void test_environment(void **state)
{
	expect_env(SLICE("A=1\0OTEL_SERVICE_NAME=shop\0B=2"), "shop", "");
	expect_env(SLICE("XOTEL_SERVICE_NAME=no\0OTEL_SERVICE_NAMES=no"), "", "");
	expect_env(SLICE("OTEL_RESOURCE_ATTRIBUTES=service.name=a,service.namespace=b,x=y\0"), "a",
		   "b");
	/* the name variable wins, an empty one is as none */
	expect_env(SLICE("OTEL_RESOURCE_ATTRIBUTES=service.name=a\0OTEL_SERVICE_NAME=b\0"), "b",
		   "");
	expect_env(SLICE("OTEL_SERVICE_NAME=\0OTEL_RESOURCE_ATTRIBUTES=service.name=a\0"), "a", "");
	expect_env(SLICE("OTEL_RESOURCE_ATTRIBUTES= service.name = caf%C3%A9%2C1 ,,=,z\0"),
		   "caf\xc3\xa9,1", "");
	expect_env(SLICE("OTEL_RESOURCE_ATTRIBUTES=service.name=50%,service.namespace=%4\0"), "50%",
		   "%4");
	expect_env(SLICE("OTEL_RESOURCE_ATTRIBUTES=service.name=%ff\0"), "\xef\xbf\xbd", "");
	expect_env(SLICE("OTEL_SERVICE_NAME=first\0OTEL_SERVICE_NAME=second"), "first", "");
	expect_env(SLICE(""), "", "");
}

/* Arguments and variables are separated by '|' here. */
struct java_case {
	const char *exe, *args, *environ, *name, *name_space;
};

#define SAYS "java|-Dotel.service.name=shop|-jar|a.jar"

static const struct java_case java_cases[] = {
	{ JAVA, SAYS, "", "shop", "" },
	{ "/opt/jdk/bin/java (deleted)", SAYS, "", "shop", "" },
	{ "", SAYS, "", "shop", "" },
	{ "/usr/bin/python3", "python3|-Dotel.service.name=shop|x.py", "", "", "" },
	{ "/usr/bin/javac", SAYS, "SPRING_APPLICATION_NAME=no", "", "" },
	/* a property goes before the variable of the same meaning, even for less than it says */
	{ JAVA, SAYS, "OTEL_SERVICE_NAME=no", "shop", "" },
	{ JAVA, "java|-Dotel.service.name=|Main", "OTEL_SERVICE_NAME=env", "env", "" },
	{ JAVA, "java|-Dotel.service.name= |Main", "OTEL_SERVICE_NAME=env", "env", "" },
	{ JAVA, "java|-Dotel.resource.attributes=service.name=a%20b|Main",
	  "OTEL_RESOURCE_ATTRIBUTES=service.name=no,service.namespace=no", "a b", "" },
	{ JAVA, "java|-Dotel.resource.attributes=service.name=no,service.namespace=s|Main",
	  "OTEL_SERVICE_NAME=env", "env", "s" },
	{ JAVA, "java|-Dotel.resource.attributes=service.name=no,service.namespace=s|" SAYS, "",
	  "no", "s" }, /* the second java is a class */
	{ JAVA, "java|-Dotel.resource.attributes=service.name=no|-Dotel.service.name=a%20b|Main",
	  "", "a%20b", "" },
	/* the last holds; none is the machine's behind what it runs, or another option's value */
	{ JAVA, "java|-Dotel.service.name=no|-Dotel.service.name=yes|Main", "", "yes", "" },
	{ JAVA, "java|-jar|a.jar|-Dotel.service.name=no", "", "", "" },
	{ JAVA, "java|-m|shop/Main|-Dotel.service.name=no", "", "", "" },
	{ JAVA, "java|-cp|-Dotel.service.name=x|-Dotel.service.name=yes", "", "yes", "" },
	{ JAVA, "java|-Dotel.service.names=no|-Dotel.service.name|Main", "", "", "" },
	/* Spring's comes last, and of that what the program itself was given first */
	{ JAVA, "java|-Dspring.application.name=pay|-jar|a.jar", "SPRING_APPLICATION_NAME=no",
	  "pay", "" },
	{ JAVA, "java|-Dspring.application.name=no|-jar|a.jar|--x|--spring.application.name=pay|y",
	  "", "pay", "" },
	{ JAVA, "java|-Dspring.application.name=no|Main|--spring.application.name=no",
	  "OTEL_SERVICE_NAME=env", "env", "" },
	{ JAVA, "java|Main|--spring.application.name=no",
	  "OTEL_RESOURCE_ATTRIBUTES=service.name=env,service.namespace=s", "env", "s" },
	{ JAVA, "java|Main|--spring.application.name=pay",
	  "OTEL_RESOURCE_ATTRIBUTES=service.namespace=s", "pay", "s" },
	{ JAVA, "java|--spring.application.name=no|Main|-Dspring.application.name=no", "", "", "" },
	{ JAVA, "java|Main", "SPRING_APPLICATION_NAME=pay", "pay", "" },
	{ JAVA, "java|Main|--spring.application.name=${APP:x}", "SPRING_APPLICATION_NAME=pay",
	  "pay", "" },
	{ JAVA, "java|-Dspring.application.name=\xff\n|Main", "", "\xef\xbf\xbd\n", "" },
};

static void java_env(const struct java_case *c, size_t n, struct otel_env *env)
{
	struct slice args = copy_of(c->args, n);
	struct slice environ = copy_of(c->environ, strlen(c->environ));
	struct program p = { slice_str(c->exe), args, SLICE("/") };
	struct java_says says;

	program_says(&p, &says);
	otel_env_parse(environ, &says, env);
	free((void *)args.p);
	free((void *)environ.p);
}

static void test_java_properties(void **state)
{
	struct otel_env env;

	for (size_t i = 0; i < sizeof(java_cases) / sizeof(java_cases[0]); i++) {
		const struct java_case *c = &java_cases[i];

		java_env(c, strlen(c->args), &env);
		if (strcmp(env.name, c->name) != 0 || strcmp(env.name_space, c->name_space) != 0)
			fail_msg("%s [%s] in [%s]: %s, %s, not %s, %s", c->exe, c->args, c->environ,
				 env.name, env.name_space, c->name, c->name_space);
		for (size_t n = 0; n < strlen(c->args); n++)
			java_env(c, n, &env);
	}
}

/* Longer than any name may be: cut, and whole characters. */
static void test_java_long_name(void **state)
{
	static const char begin[] = "java|-Dotel.service.name=";
	struct java_case c = { .exe = JAVA, .environ = "" };
	char args[4096], *at = args + sizeof(begin) - 1;
	struct otel_env env;

	memset(args, 0, sizeof(args));
	memcpy(args, begin, sizeof(begin) - 1);
	for (size_t i = 0; i < 1000; i++, at += 2)
		memcpy(at, "\xc3\xa9", 2);
	c.args = args;
	java_env(&c, strlen(args), &env);
	assert_int_equal(strlen(env.name), (sizeof(env.name) - 1) / 2 * 2);
	assert_memory_equal(env.name, args + sizeof(begin) - 1, strlen(env.name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_cut_arguments),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_cgroup_files),
		cmocka_unit_test(test_cgroup_seen_from_within),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_other_attributes),
		cmocka_unit_test(test_java_properties),
		cmocka_unit_test(test_java_long_name),
	};

	return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
