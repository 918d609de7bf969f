// Reads vectors.hex, one word a line: a, b, c, result (four hexadecimal digits each), flags (two). Writes what the circuit gives in
// the same form, and how many vectors differ.
module tb_bf16_fma;
    parameter integer BUG = 0;
    parameter COUNT = 65536;

    logic [71:0] vectors [0:COUNT-1];
    logic [15:0] a, b, c, y;
    logic [4:0] flags;
    integer i, file, wrong;

    bf16_fma #(.BUG(BUG)) circuit (.a(a), .b(b), .c(c), .y(y), .flags(flags));

    initial begin
        $readmemh("vectors.hex", vectors);
        file = $fopen("results.hex", "w");
        wrong = 0;
        for (i = 0; i < COUNT; i = i + 1) begin
            {a, b, c} = vectors[i][71:24];
            #1;
            $fdisplay(file, "%h%h%h%h%h", a, b, c, y, {3'b0, flags});
            if ({y, 3'b0, flags} !== vectors[i][23:0]) wrong = wrong + 1;
        end
        $fclose(file);
        $display("%0d of %0d vectors differ", wrong, COUNT);
        $finish;
    end
endmodule
