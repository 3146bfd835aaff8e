/*
 * libkrun played for tests: the functions that a machine takes, with the types of the published header, each of which
 * writes down its arguments, refuses what libkrun refuses, and at the end plays a guest. What it is to do stands in
 * the file beside it whose name ends in .play, a word and its value a line; its calls go to the one that ends in .calls.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONTEXT 7
#define MAX_FILES 16

static struct {
    char path[4096];
    bool writable;
} files[MAX_FILES];
static int file_count;
static bool created, shaped, has_kernel, console_disabled, vsock_disabled, has_vsock;
static int serial_out = -1;
static char agent_socket[4096];

static void beside(char *out, size_t size, const char *suffix)
{
    Dl_info info;
    dladdr((void *)beside, &info);
    snprintf(out, size, "%s%s", info.dli_fname, suffix);
}

/* The value of a word of the instructions, or an empty text. */
static void instruction(const char *word, char *out, size_t size)
{
    char path[4096], line[8192];
    size_t length = strlen(word);
    out[0] = 0;
    beside(path, sizeof path, ".play");
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, word, length) != 0 || line[length] != ' ')
            continue;
        line[strcspn(line, "\n")] = 0;
        snprintf(out, size, "%s", line + length + 1);
    }
    fclose(file);
}

static void add(char *line, size_t size, const char *format, ...)
{
    size_t used = strlen(line);
    va_list args;
    va_start(args, format);
    vsnprintf(line + used, size - used, format, args);
    va_end(args);
}

/* Each letter is the C type of an argument: i int, u uint32, b bool (as its byte), c uint8, s string, l uint64. */
static int32_t record(const char *name, const char *types, ...)
{
    char path[4096], line[32768] = "", refused[256];
    bool first = true;
    va_list args;
    va_start(args, types);
    add(line, sizeof line, "{\"name\":\"%s\",\"args\":[", name);
    for (; *types; types++, first = false) {
        if (!first)
            add(line, sizeof line, ",");
        if (*types == 'i' || *types == 'b' || *types == 'c')
            add(line, sizeof line, "%d", va_arg(args, int));
        else if (*types == 'u')
            add(line, sizeof line, "%" PRIu32, va_arg(args, uint32_t));
        else if (*types == 'l')
            add(line, sizeof line, "%" PRIu64, va_arg(args, uint64_t));
        else {
            const char *text = va_arg(args, const char *);
            if (!text) {
                add(line, sizeof line, "null");
                continue;
            }
            add(line, sizeof line, "\"");
            for (; *text; text++)
                add(line, sizeof line, *text == '"' || *text == '\\' || (unsigned char)*text < ' ' ? "\\u%04x" : "%c",
                    (unsigned char)*text);
            add(line, sizeof line, "\"");
        }
    }
    va_end(args);
    add(line, sizeof line, "]}\n");
    beside(path, sizeof path, ".calls");
    int calls = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (calls < 0 || write(calls, line, strlen(line)) < 0)
        return -EIO;
    close(calls);
    instruction(name, refused, sizeof refused);
    return -atoi(refused);
}

static int32_t known(uint32_t ctx, int32_t result)
{
    if (!created || ctx != CONTEXT)
        return -ENOENT;
    return result;
}

static int32_t keep_file(const char *path, bool writable)
{
    if (file_count == MAX_FILES)
        return -ENOMEM;
    snprintf(files[file_count].path, sizeof files[0].path, "%s", path);
    files[file_count++].writable = writable;
    return 0;
}

int32_t krun_init_log(int target_fd, uint32_t level, uint32_t style, uint32_t options)
{
    int32_t result = record("krun_init_log", "iuuu", target_fd, level, style, options);
    return target_fd < -1 || target_fd == 0 || style > 2 ? -EINVAL : result;
}

int32_t krun_create_ctx(void)
{
    int32_t result = record("krun_create_ctx", "");
    created = true;
    return result < 0 ? result : CONTEXT;
}

int32_t krun_set_vm_config(uint32_t ctx_id, uint8_t num_vcpus, uint32_t ram_mib)
{
    int32_t result = record("krun_set_vm_config", "ucu", ctx_id, num_vcpus, ram_mib);
    shaped = true;
    return known(ctx_id, num_vcpus == 0 ? -EINVAL : result);
}

int32_t krun_set_kernel(uint32_t ctx_id, const char *kernel_path, uint32_t kernel_format, const char *initramfs,
                        const char *cmdline)
{
    int32_t result = record("krun_set_kernel", "ususs", ctx_id, kernel_path, kernel_format, initramfs, cmdline);
    if (kernel_format > 5 || (initramfs && access(initramfs, R_OK) != 0))
        return -EINVAL;
    has_kernel = true;
    return known(ctx_id, result < 0 ? result : keep_file(kernel_path, false));
}

int32_t krun_add_disk2(uint32_t ctx_id, const char *block_id, const char *disk_path, uint32_t disk_format,
                       bool read_only)
{
    int32_t result = record("krun_add_disk2", "ussub", ctx_id, block_id, disk_path, disk_format, read_only);
    if (disk_format > 2)
        return -EINVAL;
    return known(ctx_id, result < 0 ? result : keep_file(disk_path, !read_only));
}

int32_t krun_disable_implicit_console(uint32_t ctx_id)
{
    console_disabled = true;
    return known(ctx_id, record("krun_disable_implicit_console", "u", ctx_id));
}

int32_t krun_add_serial_console_default(uint32_t ctx_id, int input_fd, int output_fd)
{
    serial_out = output_fd;
    return known(ctx_id, record("krun_add_serial_console_default", "uii", ctx_id, input_fd, output_fd));
}

int32_t krun_disable_implicit_vsock(uint32_t ctx_id)
{
    vsock_disabled = true;
    return known(ctx_id, record("krun_disable_implicit_vsock", "u", ctx_id));
}

int32_t krun_add_vsock(uint32_t ctx_id, uint32_t tsi_features)
{
    int32_t result = record("krun_add_vsock", "uu", ctx_id, tsi_features);
    /* "you must first call krun_disable_implicit_vsock()"; "only one vsock device is supported" */
    if (!vsock_disabled || has_vsock || tsi_features > 3)
        return -EINVAL;
    has_vsock = true;
    return known(ctx_id, result);
}

int32_t krun_add_vsock_port2(uint32_t ctx_id, uint32_t port, const char *c_filepath, bool listen)
{
    int32_t result = record("krun_add_vsock_port2", "uusb", ctx_id, port, c_filepath, listen);
    snprintf(agent_socket, sizeof agent_socket, "%s", c_filepath);
    return known(ctx_id, result);
}

int32_t krun_add_virtiofs(uint32_t ctx_id, const char *c_tag, const char *c_path)
{
    return known(ctx_id, record("krun_add_virtiofs", "uss", ctx_id, c_tag, c_path));
}

#ifndef OLDER_THAN_1_18
int32_t krun_add_virtiofs3(uint32_t ctx_id, const char *c_tag, const char *c_path, uint64_t shm_size, bool read_only)
{
    return known(ctx_id, record("krun_add_virtiofs3", "usslb", ctx_id, c_tag, c_path, shm_size, read_only));
}
#endif

static void say(const char *text)
{
    if (write(serial_out, text, strlen(text)) < 0)
        _exit(99);
}

struct relay {
    int from, to;
};

/* Bytes one way, and their end. */
static void *pump(void *argument)
{
    struct relay *way = argument;
    char bytes[65536];
    for (;;) {
        ssize_t count = read(way->from, bytes, sizeof bytes), done = 0;
        if (count <= 0)
            break;
        while (done < count) {
            ssize_t wrote = write(way->to, bytes + done, count - done);
            if (wrote < 0)
                break;
            done += wrote;
        }
        if (done < count)
            break;
    }
    shutdown(way->to, SHUT_WR);
    shutdown(way->from, SHUT_RD);
    free(way);
    return NULL;
}

static void start_pump(int from, int to)
{
    pthread_t thread;
    struct relay *way = malloc(sizeof *way);
    if (!way)
        _exit(98);
    *way = (struct relay){from, to};
    if (pthread_create(&thread, NULL, pump, way) != 0 || pthread_detach(thread) != 0)
        _exit(98);
}

static int unix_socket(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/*
 * As libkrun does: takes every connection, and ends it where the guest does not listen. The agent, which listens on a
 * socket elsewhere, stands for the guest; the first `refuse` connections find it not listening yet.
 */
static void serve_agent(const char *agent, int refuse)
{
    struct sockaddr_un address;
    int listener = unix_socket(&address, agent_socket);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 5) != 0)
        _exit(97);
    for (;;) {
        int host = accept(listener, NULL, NULL);
        int guest = unix_socket(&address, agent);
        if (refuse-- > 0 || connect(guest, (struct sockaddr *)&address, sizeof address) != 0) {
            close(guest);
            close(host);
            continue;
        }
        start_pump(host, guest);
        start_pump(guest, host);
    }
}

int32_t krun_start_enter(uint32_t ctx_id)
{
    int32_t result = record("krun_start_enter", "u", ctx_id);
    char value[4096];
    if (!created || ctx_id != CONTEXT)
        return -ENOENT;
    if (result < 0 || !shaped || !has_kernel || !console_disabled || !has_vsock || serial_out < 0)
        return result < 0 ? result : -EINVAL;
    for (int index = 0; index < file_count; index++) {
        if (access(files[index].path, files[index].writable ? R_OK | W_OK : R_OK) == 0)
            continue;
        fprintf(stderr, "Building the microVM failed: cannot open %s\n", files[index].path);
        return -EINVAL;
    }
    /* libkrun leaves signals as they are and takes the whole process. */
    say("kelpie: init agent\n");
    instruction("say", value, sizeof value);
    if (value[0]) {
        say(value);
        say("\n");
    }
    instruction("late", value, sizeof value);
    usleep(1000 * atoi(value));
    instruction("agent", value, sizeof value);
    if (value[0]) {
        char refuse[16];
        instruction("refuse", refuse, sizeof refuse);
        serve_agent(value, atoi(refuse));
    }
    instruction("flood", value, sizeof value);
    for (long long left = atoll(value); left > 0; left -= 64)
        say("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n");
    instruction("exit", value, sizeof value);
    if (value[0])
        _exit(atoi(value));
    for (;;)
        pause();
}
