/* clock FILE COMMAND...: runs the command with a wall clock that is off by the seconds in FILE (a native int64), which
 * may change while it runs. For programs that no library can be put under, such as Go's: a child traces the command,
 * hides the vDSO from it so that it asks the kernel for the time, and answers each clock_gettime(CLOCK_REALTIME) itself.
 * All other clocks stay right, as they do where only the wall clock is wrong. Linux, x86_64. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    exit(70);
}

/* The auxiliary vector lies behind the arguments and the environment on a new program's stack. */
static void hide_vdso(pid_t pid)
{
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, pid, 0, &registers))
        fail("registers");
    long *at = (long *)registers.rsp;
    at += 1 + ptrace(PTRACE_PEEKDATA, pid, at, 0) + 1;
    while (ptrace(PTRACE_PEEKDATA, pid, at, 0))
        at++;
    for (at++;; at += 2) {
        long type = ptrace(PTRACE_PEEKDATA, pid, at, 0);
        if (type == AT_NULL)
            return;
        if (type == AT_SYSINFO_EHDR && ptrace(PTRACE_POKEDATA, pid, at, AT_IGNORE))
            fail("vDSO");
    }
}

static void answer(pid_t thread, int64_t seconds)
{
    struct user_regs_struct registers;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += seconds;
    if (ptrace(PTRACE_GETREGS, thread, 0, &registers))
        return; /* killed meanwhile */
    struct iovec here = {&now, sizeof now}, there = {(void *)registers.rsi, sizeof now};
    registers.rax = process_vm_writev(thread, &here, 1, &there, 1, 0) == sizeof now ? 0 : -EFAULT;
    registers.orig_rax = -1; /* the kernel is not asked */
    ptrace(PTRACE_SETREGS, thread, 0, &registers);
}

static void trace(pid_t command, const volatile int64_t *seconds, int ready)
{
    long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
    if (ptrace(PTRACE_SEIZE, command, 0, options))
        fail("trace");
    if (write(ready, "", 1) != 1)
        fail("pipe");
    for (;;) {
        int status;
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0)
            exit(0); /* nobody is left */
        if (!WIFSTOPPED(status))
            continue;
        int event = status >> 16, number = 0;
        if (event == PTRACE_EVENT_EXEC)
            hide_vdso(thread);
        else if (event == PTRACE_EVENT_SECCOMP)
            answer(thread, *seconds);
        else if (event == 0)
            number = WSTOPSIG(status);
        ptrace(PTRACE_CONT, thread, 0, number);
    }
}

static void stop_at_the_clock(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLOCK_REALTIME, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        fail("seccomp");
}

int main(int count, char **words)
{
    int ready[2], file = count > 2 ? open(words[1], O_RDONLY) : -1;
    if (file < 0 || pipe2(ready, O_CLOEXEC))
        fail("usage: clock FILE COMMAND...");
    int64_t *seconds = mmap(NULL, sizeof *seconds, PROT_READ, MAP_SHARED, file, 0);
    if (seconds == MAP_FAILED)
        fail(words[1]);
    /* The command keeps this process, by which others know it. */
    pid_t command = getpid();
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    pid_t tracer = fork();
    if (tracer < 0)
        fail("fork");
    if (tracer == 0)
        trace(command, seconds, ready[1]);
    close(ready[1]);
    char byte;
    if (read(ready[0], &byte, 1) != 1)
        return 70;
    stop_at_the_clock();
    execv(words[2], words + 2);
    fail(words[2]);
}
