/* Faults below Python, for benches and tests: preloaded into a process, it makes writes of regular files fail or tears
 * them, makes a folder read-only, sets the clock off, and counts and notes connections.
 *
 *   cc -shared -fPIC -O1 -o faults.so faults.c -ldl
 *   POSTGRAD_FAULTS=STATE POSTGRAD_FAULTS_UNDER=FOLDER/ LD_PRELOAD=faults.so python …
 *
 * STATE is a file of eight 64-bit numbers that is mapped, so whoever writes to it changes what happens at once:
 * 0 mode (0 nothing, 1 the disk is full, 2 the write is torn and the process dies, 3 read-only), 1 writes that still go
 * well, 2 writes that fail then (-1: all), 3 seconds that the clock is ahead, 4 connections tried, 5 writes seen.
 * POSTGRAD_CONNECTIONS names a file that gets a line for each address of another machine or of this one's loopback.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { MODE, GOOD, BAD, AHEAD, CONNECTIONS, WRITES, NUMBERS = 8 };
enum { FULL = 1, TORN = 2, READ_ONLY = 3 };
static volatile int64_t *state;
static const char *under;
static int notes = -1;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("POSTGRAD_FAULTS"), *told = getenv("POSTGRAD_CONNECTIONS");
    under = getenv("POSTGRAD_FAULTS_UNDER");
    if (path) {
        int file = open(path, O_RDWR);
        if (file >= 0) {
            void *at = mmap(NULL, NUMBERS * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
            close(file);
            if (at != MAP_FAILED) state = at;
        }
    }
    if (told) notes = open(told, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static int within(const char *path) { return !under || strncmp(path, under, strlen(under)) == 0; }

/* Whether this write of a regular file is one that fails. */
static int fails(int fd) {
    struct stat seen;
    char link[64], path[4096];
    if (!state || !state[MODE] || state[MODE] == READ_ONLY || fstat(fd, &seen) || !S_ISREG(seen.st_mode)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    if (!within(path)) return 0;
    state[WRITES]++;
    if (state[GOOD] > 0) {
        state[GOOD]--;
        return 0;
    }
    if (!state[BAD]) return 0;
    if (state[BAD] > 0) state[BAD]--;
    return 1;
}

ssize_t write(int fd, const void *from, size_t count) {
    REAL(write);
    if (fails(fd)) {
        if (state[MODE] == TORN) {
            real(fd, from, count / 2);
            kill(getpid(), SIGKILL);
        }
        errno = ENOSPC;
        return -1;
    }
    return real(fd, from, count);
}

#define PWRITE(name, offset_type) \
    ssize_t name(int fd, const void *from, size_t count, offset_type at) { \
        REAL(name); \
        if (fails(fd)) { \
            if (state[MODE] == TORN) { \
                real(fd, from, count / 2, at); \
                kill(getpid(), SIGKILL); \
            } \
            errno = ENOSPC; \
            return -1; \
        } \
        return real(fd, from, count, at); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *from, int count) {
    REAL(writev);
    if (fails(fd)) {
        if (state[MODE] == TORN) kill(getpid(), SIGKILL);
        errno = ENOSPC;
        return -1;
    }
    return real(fd, from, count);
}

/* Copies inside the kernel would go past the writes above: there are none while a mode is set. */
ssize_t sendfile(int out, int in, off_t *offset, size_t count) {
    REAL(sendfile);
    if (state && state[MODE]) {
        errno = ENOSYS;
        return -1;
    }
    return real(out, in, offset, count);
}

static int closed_to(const char *path, int changes) {
    if (!state || state[MODE] != READ_ONLY || !changes || !path || !within(path)) return 0;
    errno = EROFS;
    return 1;
}

#define OPEN(name, folder, ...) \
    int name(folder const char *path, int flags, ...) { \
        REAL(name); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        if (closed_to(path, flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))) return -1; \
        return real(__VA_ARGS__); \
    }
#define AT int at,
OPEN(open, , path, flags, mode)
OPEN(open64, , path, flags, mode)
OPEN(openat, AT, at, path, flags, mode)
OPEN(openat64, AT, at, path, flags, mode)

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    return closed_to(path, 1) ? -1 : real(path, mode);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    return closed_to(to, 1) ? -1 : real(from, to);
}

int unlink(const char *path) {
    REAL(unlink);
    return closed_to(path, 1) ? -1 : real(path);
}

int clock_gettime(clockid_t which, struct timespec *now) {
    REAL(clock_gettime);
    int failed = real(which, now);
    if (!failed && state && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) now->tv_sec += state[AHEAD];
    return failed;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

int connect(int fd, const struct sockaddr *to, socklen_t length) {
    REAL(connect);
    if (to && (to->sa_family == AF_INET || to->sa_family == AF_INET6)) {
        char host[INET6_ADDRSTRLEN] = "", line[128];
        int port = 0;
        if (to->sa_family == AF_INET) {
            const struct sockaddr_in *four = (const void *)to;
            inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
            port = ntohs(four->sin_port);
        } else {
            const struct sockaddr_in6 *six = (const void *)to;
            inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
            port = ntohs(six->sin6_port);
        }
        if (state) state[CONNECTIONS]++;
        if (notes >= 0) {
            int size = snprintf(line, sizeof line, "%s %d\n", host, port);
            if (size > 0 && write(notes, line, (size_t)size) < 0) abort();
        }
    }
    return real(fd, to, length);
}
