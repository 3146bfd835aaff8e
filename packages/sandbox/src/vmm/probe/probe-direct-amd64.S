# The proof that a virtual processor runs Linux where a monitor enters the kernel directly, in 64-bit mode: what Linux's own
# start takes for granted and some that offer /dev/kvm lack: segments and an interrupt table of its own, breakpoints and
# invalid instructions with their return, and the instructions that cpuid offers: cmpxchg16b, popcnt, xsave; and SSE. Then
# "kelpie" goes to the serial port, and the keyboard controller resets the machine.
#
# Build: gcc -c probe-direct-amd64.S && objcopy -O binary -j .text probe-direct-amd64.o probe-direct-amd64.bin
# It is loaded and entered at 16 MiB.

.set base, 0x1000000
.set scratch, 0x2000                # bytes from `base`, past the program: table, stack, xsave's area
.set idt, base + scratch
.set stack, base + scratch + 0x2000
.set area, base + scratch + 0x2000
.set gate_bytes, 16
.set breakpoint, 3
.set invalid_opcode, 6
.set serial_port, 0x3f8

.section .text
.code64
start:
    cli
    mov $stack, %rsp
    lgdt gdt_pointer - start + base
    pushq $8
    pushq $(base + own_segments - start)
    lretq
own_segments:
    xor %eax, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $idt, %edi
    mov $0x200, %ecx
    rep stosq
    mov $(idt + breakpoint * gate_bytes), %edi
    mov $(base + on_breakpoint - start), %eax
    call set_gate
    mov $(idt + invalid_opcode * gate_bytes), %edi
    mov $(base + on_invalid_opcode - start), %eax
    call set_gate
    lidt idt_pointer - start + base
    xor %r8d, %r8d
    int3
    ud2
    cmp $3, %r8d
    jne halt
    mov %cr4, %rax
    or $0x600, %rax                 # OSFXSR, OSXMMEXCPT
    mov %rax, %cr4
    mov %cr0, %rax
    and $~0xc, %rax                 # no EM, no TS
    or $2, %rax                     # MP
    mov %rax, %cr0
    movd %eax, %xmm0
    paddd %xmm0, %xmm0
    mov $1, %eax
    cpuid
    mov %ecx, %r9d
    bt $13, %r9d
    jnc no_cmpxchg16b
    xor %eax, %eax
    xor %edx, %edx
    xor %ebx, %ebx
    xor %ecx, %ecx
    mov $(stack - 64), %edi
    lock cmpxchg16b (%rdi)
no_cmpxchg16b:
    bt $23, %r9d
    jnc no_popcnt
    popcnt %rdi, %rax
no_popcnt:
    bt $26, %r9d
    jnc no_xsave
    mov %cr4, %rax
    or $0x40000, %rax               # OSXSAVE
    mov %rax, %cr4
    mov $area, %edi
    mov $3, %eax
    xor %edx, %edx
    xsave64 (%rdi)
    xrstor64 (%rdi)
no_xsave:
    mov $(base + answer - start), %esi
    mov $serial_port, %edx
    mov $answer_bytes, %ecx
next:
    lodsb
    out %al, %dx
    dec %ecx
    jnz next
    mov $0xfe, %al
    out %al, $0x64
halt:
    hlt
    jmp halt

set_gate:                           # of the table's entry at rdi: the handler at eax
    mov %ax, (%rdi)
    movw $8, 2(%rdi)
    movw $0x8e00, 4(%rdi)           # present, interrupt gate
    shr $16, %eax
    mov %ax, 6(%rdi)
    ret

on_breakpoint:
    add $1, %r8d
    iretq

on_invalid_opcode:
    add $2, %r8d
    addq $2, (%rsp)
    iretq

.balign 8
gdt:
    .quad 0
    .quad 0x00af9a000000ffff        # 64-bit code
gdt_pointer:
    .word 15
    .quad base + gdt - start
idt_pointer:
    .word 0xfff
    .quad idt

answer:
    .ascii "kelpie\n"
.set answer_bytes, . - answer
