/* Stands between the runner and the C library (LD_PRELOAD): counts the steps in which the process meets the
 * world, and lets the one of a given number go wrong.
 *
 * One count over all threads, so that each step of a run can be met, one run a step. The binary is the one that
 * users get; nothing in it knows of this.
 *
 *   FAULT_STEPS  kinds to count: o open, make, cut, rename or remove a file of the state; w write to it; f sync it;
 *                r read it; c connect; s write to a socket; a read from a socket
 *   FAULT_AT     number of the step, from 1; with FAULT_LASTING every later one too
 *   FAULT_DO     kill: SIGKILL before it; half: SIGKILL after half of its bytes; a number: it fails with that errno
 *   FAULT_LOG    file that names every step, one a line, before it is taken
 *   FAULT_DNS    set: no name is ever found
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum verdict { GO_ON, HALF, FAIL };

static const char *kinds = "";
static const char *action = "";
static long at;
static int lasting;
static int log_fd = -1;
static atomic_long seen;

__attribute__((constructor)) static void setup(void) {
    const char *number = getenv("FAULT_AT");
    const char *log = getenv("FAULT_LOG");
    if (getenv("FAULT_STEPS")) kinds = getenv("FAULT_STEPS");
    if (getenv("FAULT_DO")) action = getenv("FAULT_DO");
    at = number ? atol(number) : 0;
    lasting = getenv("FAULT_LASTING") != NULL;
    if (log) log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

__attribute__((noreturn)) static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static enum verdict step(char kind, const char *call, const char *what) {
    if (!strchr(kinds, kind)) return GO_ON;
    long number = atomic_fetch_add(&seen, 1) + 1;
    if (log_fd >= 0) {
        char line[256];
        int length = snprintf(line, sizeof line, "%ld %c %s %s\n", number, kind, call, what);
        syscall(SYS_write, log_fd, line, length < (int)sizeof line ? length : (int)sizeof line);
    }
    if (at == 0 || !(number == at || (lasting && number > at))) return GO_ON;
    if (!strcmp(action, "kill")) die();
    if (!strcmp(action, "half")) return HALF;
    errno = atoi(action);
    return FAIL;
}

static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static enum verdict step_on_path(const char *call, const char *path) {
    /* Opening the folder itself to read it changes nothing. */
    return strstr(path, "/.pushplan") ? step('o', call, name_of(path)) : GO_ON;
}

static enum verdict step_on_fd(const char *call, int fd, char of_state, char of_socket) {
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return GO_ON;
    path[length] = 0;
    if (strstr(path, "/.pushplan")) return step(of_state, call, name_of(path));
    if (strncmp(path, "socket:", 7)) return GO_ON;
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size)) return GO_ON;
    int is_network = address.ss_family == AF_INET || address.ss_family == AF_INET6;
    return is_network ? step(of_socket, call, "socket") : GO_ON;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define TAKE(verdict, failure) \
    do { if ((verdict) == FAIL) return failure; } while (0)

/* Bytes go out one by one buffer; half of them is half of the first. */
#define WRITE(name, fd, parameters, whole, part) \
    ssize_t name parameters { \
        REAL(name); \
        switch (step_on_fd(#name, fd, 'w', 's')) { \
        case FAIL: return -1; \
        case HALF: (void)!(part); die(); \
        default: return whole; \
        } \
    }

WRITE(write, fd, (int fd, const void *b, size_t n), real(fd, b, n), real(fd, b, n / 2))
WRITE(send, fd, (int fd, const void *b, size_t n, int f), real(fd, b, n, f), real(fd, b, n / 2, f))
WRITE(pwrite64, fd, (int fd, const void *b, size_t n, off64_t o), real(fd, b, n, o), real(fd, b, n / 2, o))

/* Half of a call's bytes: its head and the first half of its body. */
ssize_t writev(int fd, const struct iovec *v, int n) {
    REAL(writev);
    switch (step_on_fd("writev", fd, 'w', 's')) {
    case FAIL: return -1;
    case HALF: {
        struct iovec part[8];
        int count = n < 8 ? n : 8;
        memcpy(part, v, count * sizeof *part);
        part[count - 1].iov_len /= 2;
        (void)!real(fd, part, count);
        die();
    }
    default: return real(fd, v, n);
    }
}

ssize_t pread64(int fd, void *b, size_t n, off64_t o) {
    REAL(pread64);
    TAKE(step_on_fd("pread64", fd, 'r', 'a'), -1);
    return real(fd, b, n, o);
}

ssize_t read(int fd, void *b, size_t n) {
    REAL(read);
    TAKE(step_on_fd("read", fd, 'r', 'a'), -1);
    return real(fd, b, n);
}

ssize_t recv(int fd, void *b, size_t n, int f) {
    REAL(recv);
    TAKE(step_on_fd("recv", fd, 'r', 'a'), -1);
    return real(fd, b, n, f);
}

int fsync(int fd) {
    REAL(fsync);
    TAKE(step_on_fd("fsync", fd, 'f', 'f'), -1);
    return real(fd);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    TAKE(step_on_fd("fdatasync", fd, 'f', 'f'), -1);
    return real(fd);
}

int ftruncate64(int fd, off64_t n) {
    REAL(ftruncate64);
    TAKE(step_on_fd("ftruncate64", fd, 'o', 'o'), -1);
    return real(fd, n);
}

int connect(int fd, const struct sockaddr *address, socklen_t n) {
    REAL(connect);
    if (address->sa_family == AF_INET || address->sa_family == AF_INET6)
        TAKE(step('c', "connect", "socket"), -1);
    return real(fd, address, n);
}

int open64(const char *path, int flags, ...) {
    REAL(open64);
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    if (flags & (O_WRONLY | O_RDWR | O_CREAT)) TAKE(step_on_path("open", path), -1);
    return real(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    REAL(open);
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    if (flags & (O_WRONLY | O_RDWR | O_CREAT)) TAKE(step_on_path("open", path), -1);
    return real(path, flags, mode);
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    TAKE(step_on_path("mkdir", path), -1);
    return real(path, mode);
}

int unlink(const char *path) {
    REAL(unlink);
    TAKE(step_on_path("unlink", path), -1);
    return real(path);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    TAKE(step_on_path("rename", to), -1);
    return real(from, to);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    REAL(getaddrinfo);
    return getenv("FAULT_DNS") ? EAI_NONAME : real(name, service, hints, found);
}
