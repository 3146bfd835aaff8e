# The proof that a virtual processor runs an x86-64 guest: firmware that does what the start of every kernel does.
# real mode, page tables, long mode with paging, an exception through the interrupt table, cpuid, SSE; then "kelpie" goes
# to the serial port, and a byte to QEMU's isa-debug-exit ends the machine. A host whose /dev/kvm only seems to work gets
# no further than real mode.
#
# Build: gcc -c probe-amd64.S && objcopy -O binary -j .text probe-amd64.o probe-amd64.bin
# The last 64 KiB below 4 GiB are the firmware's; only its last 512 bytes are not zero, and only they are kept.

.set base, 0xfffffe00               # the address of `start`
.set pml4, 0x1000
.set pdpt, 0x2000
.set low_pages, 0x3000              # maps the first 2 MiB
.set high_pages, 0x4000             # maps the last 2 MiB below 4 GiB
.set tables_end, 0x5000
.set idt, 0x5000
.set idt_pointer, 0x6000
.set stack, 0x7000
.set present_writable, 0x3
.set large_page, 0x83
.set debug_exit, 0xf4
.set serial_port, 0x3f8

.section .text
.code16
start:
    cli
    xor %ax, %ax
    mov %ax, %es
    mov $pml4, %di
    mov $((tables_end - pml4) / 2), %cx
    cld
    rep stosw
    movw $(pdpt | present_writable), %es:pml4
    movw $(low_pages | present_writable), %es:pdpt
    movw $(high_pages | present_writable), %es:(pdpt + 3 * 8)
    movw $large_page, %es:low_pages
    movl $(0xffe00000 | large_page), %es:(high_pages + 511 * 8)
    lgdtl %cs:(gdt_pointer - start + (base & 0xffff))
    mov %cr4, %eax
    or $0x620, %eax                 # PAE, OSFXSR, OSXMMEXCPT
    mov %eax, %cr4
    mov $pml4, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx           # EFER
    rdmsr
    or $0x100, %eax                 # LME
    wrmsr
    mov %cr0, %eax
    and $0xfffffffb, %eax           # no EM
    or $0x80000003, %eax            # PG, MP, PE
    mov %eax, %cr0
    ljmpl $8, $(base + long_mode - start)

.code64
long_mode:
    xor %eax, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $stack, %esp
    mov $(idt + 6 * 16), %edi       # the gate of #UD
    mov $(base + on_invalid_opcode - start), %eax
    mov %ax, (%rdi)
    movw $8, 2(%rdi)
    movw $0x8e00, 4(%rdi)           # present, interrupt gate
    shr $16, %eax
    mov %ax, 6(%rdi)
    movq $0, 8(%rdi)
    movw $0xfff, idt_pointer
    movq $idt, idt_pointer + 2
    lidt idt_pointer
    ud2
    hlt

on_invalid_opcode:
    xor %eax, %eax
    cpuid
    movd %eax, %xmm0
    paddd %xmm0, %xmm0
    mov $100000, %ecx
spin:
    dec %ecx
    jnz spin
    mov $(base + answer - start), %esi
    mov $serial_port, %edx
    mov $answer_bytes, %ecx
    rep outsb
    mov $debug_exit, %edx
    out %al, %dx
halt:
    hlt
    jmp halt

.balign 8
gdt:
    .quad 0
    .quad 0x00af9a000000ffff        # 64-bit code
gdt_pointer:
    .word 15
    .long base + gdt - start

answer:
    .ascii "kelpie"
.set answer_bytes, . - answer

.org 0x1f0
.code16
    jmp start                       # where the processor starts: 16 bytes below 4 GiB
.org 0x200
