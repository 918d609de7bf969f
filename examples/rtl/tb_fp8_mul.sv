// Reads vectors.hex, one word a line: a, b, result, flags (two hexadecimal digits each). Writes what the circuit gives in
// the same form, and how many vectors differ.
module tb_fp8_mul;
    parameter SATURATE = 0;
    parameter integer BUG = 0;
    parameter COUNT = 65536;

    logic [31:0] vectors [0:COUNT-1];
    logic [7:0] a, b, y;
    logic [4:0] flags;
    integer i, file, wrong;

    fp8_mul #(.SATURATE(SATURATE), .BUG(BUG)) circuit (.a(a), .b(b), .y(y), .flags(flags));

    initial begin
        $readmemh("vectors.hex", vectors);
        file = $fopen("results.hex", "w");
        wrong = 0;
        for (i = 0; i < COUNT; i = i + 1) begin
            {a, b} = vectors[i][31:16];
            #1;
            $fdisplay(file, "%h%h%h%h", a, b, y, {3'b0, flags});
            if ({y, 3'b0, flags} !== vectors[i][15:0]) wrong = wrong + 1;
        end
        $fclose(file);
        $display("%0d of %0d vectors differ", wrong, COUNT);
        $finish;
    end
endmodule
